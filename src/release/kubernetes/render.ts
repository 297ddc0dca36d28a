import { type ClusterObject, RELEASE, RELEASE_ANNOTATION } from '../../records/cluster.ts';
import { clusterLabels, resourceNames, selectorLabels } from '../../records/cluster-names.ts';
import { configMap, objectsOf } from './object.ts';
import { portOf } from './places.ts';
import { podOf } from './pod.ts';
import type { Rendering } from './rendering.ts';
import { sourceData } from './source.ts';

/** A pull of a large image, in which a roll-out shows no progress. */
const PULL_SECONDS = 600;
const SERVICE_PORT = 80;

/**
 * The objects of a release, in the order in which they are applied; the Service is the last, and the switch. The same input has
 * the same objects: they hold placeholders where the release's digest will be.
 */
export function renderManifests(rendering: Rendering): ClusterObject[] {
  const { config, target, server, source } = rendering;
  const names = resourceNames(config.name, config.environment);
  const selector = selectorLabels(config.name, config.environment);
  const object = objectsOf(rendering);
  return [
    configMap(rendering),
    object('v1', 'ConfigMap', names.source, { immutable: true, binaryData: sourceData(source) }),
    object('policy/v1', 'PodDisruptionBudget', names.release, {
      // A number of pods that must stay would block the drain of a node for ever where there is one pod.
      spec: {
        maxUnavailable: 1,
        // A pod that is not ready serves nobody, and may go at any time.
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
        selector: { matchLabels: selector },
      },
    }),
    object('apps/v1', 'Deployment', names.release, {
      spec: {
        replicas: target.replicas ?? 1,
        revisionHistoryLimit: 0,
        progressDeadlineSeconds: Math.ceil(server.readyTimeoutSeconds) + PULL_SECONDS,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        selector: { matchLabels: selector },
        template: {
          metadata: {
            labels: clusterLabels(config.name, config.environment),
            annotations: { [RELEASE_ANNOTATION]: RELEASE },
          },
          spec: podOf(rendering),
        },
      },
    }),
    object('v1', 'Service', names.service, {
      spec: {
        selector,
        ports: [{ name: 'http', port: SERVICE_PORT, targetPort: portOf(target), protocol: 'TCP' }],
      },
    }),
  ];
}
