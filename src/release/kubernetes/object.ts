import type { JsonObject } from '../../lib/json.ts';
import { type ClusterObject, RELEASE, RELEASE_ANNOTATION } from '../../records/cluster.ts';
import { clusterLabels, resourceNames } from '../../records/cluster-names.ts';
import { variablesOf } from '../../records/release.ts';
import type { Rendering } from './rendering.ts';

/** The ConfigMap of a release's configuration, which a container takes as its variables. */
export function configMap(rendering: Pick<Rendering, 'config' | 'target'>): ClusterObject {
  const { config } = rendering;
  const { release } = resourceNames(config.name, config.environment);
  return objectsOf(rendering)('v1', 'ConfigMap', release, { immutable: true, data: variablesOf(config) });
}

/** Makes objects with the metadata of the release. */
export function objectsOf({ config, target }: Pick<Rendering, 'config' | 'target'>) {
  return (apiVersion: string, kind: string, name: string, content: JsonObject): ClusterObject => ({
    apiVersion,
    kind,
    metadata: {
      name,
      namespace: target.namespace,
      labels: clusterLabels(config.name, config.environment),
      annotations: { [RELEASE_ANNOTATION]: RELEASE },
    },
    ...content,
  });
}
