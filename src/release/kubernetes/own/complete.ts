import { z } from 'zod';
import {
  type ClusterObject,
  clusterObject,
  MANAGER,
  RELEASE,
  RELEASE_ANNOTATION,
} from '../../../records/cluster.ts';
import { clusterLabels, selectorLabels } from '../../../records/cluster-names.ts';
import type { Rendering } from '../rendering.ts';
import type { Workload } from './workload.ts';
import type { WrittenObject } from './written.ts';

type Labels = Readonly<Record<string, string>>;

/**
 * Gives an object of the user's what every object of a release has: the namespace, our labels and the whole digest.
 * @param served the workload that it is, where it serves: its pods, and no others, are known by our labels
 * @param isSwitch whether it is a Service that selects them
 */
export function complete(
  { value }: WrittenObject,
  { served, isSwitch }: { readonly served: Workload | undefined; readonly isSwitch: boolean },
  { config, target }: Pick<Rendering, 'config' | 'target'>,
): ClusterObject {
  const { name, environment } = config;
  const ours = selectorLabels(name, environment);
  const labels = { ...clusterLabels(name, environment), ...value.metadata.labels, ...ours };
  const metadata = mark(value.metadata, { ...labels, 'app.kubernetes.io/managed-by': MANAGER });
  const marked = { ...value, metadata: { ...metadata, namespace: target.namespace } };
  if (served !== undefined) return clusterObject.parse(markTemplate(marked, served.path, ours));
  return isSwitch ? clusterObject.parse(withSelector(marked, ours)) : marked;
}

const metadata = z.looseObject({
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});

function mark<M extends z.infer<typeof metadata>>(found: M, labels: Labels) {
  return {
    ...found,
    labels: { ...found.labels, ...labels },
    annotations: { ...found.annotations, [RELEASE_ANNOTATION]: RELEASE },
  };
}

const object = z.record(z.string(), z.unknown());

/** The template of its pods, by which their release is known; what its selector may name stays as it is. */
function markTemplate(value: unknown, path: readonly PropertyKey[], labels: Labels): unknown {
  const found = object.parse(value);
  const [key, ...rest] = path;
  if (key === undefined) return { ...found, metadata: mark(metadata.parse(found.metadata ?? {}), labels) };
  return { ...found, [String(key)]: markTemplate(found[String(key)], rest, labels) };
}

function withSelector(value: ClusterObject, labels: Labels): unknown {
  const spec = object.parse(value.spec);
  return { ...value, spec: { ...spec, selector: { ...object.parse(spec.selector), ...labels } } };
}
