import type { ClusterObject } from '../../records/cluster.ts';
import { isWorkload } from './manifests.ts';
import { RENEWED_ANNOTATION } from './pods.ts';
import type { AnyObject } from './types/object.ts';
import { workload } from './types/workload.ts';

/**
 * A workload whose pods are made anew, though nothing else of it has changed: those that are there serve until the new ones are
 * ready. @param by undefined takes that back
 */
export function renewed(object: ClusterObject, by: string | undefined): ClusterObject {
  if (by === undefined) return object;
  const { spec } = workload.parse(object);
  const { template } = spec;
  const annotations = { ...template.metadata?.annotations, [RENEWED_ANNOTATION]: by };
  return {
    ...object,
    spec: { ...spec, template: { ...template, metadata: { ...template.metadata, annotations } } },
  };
}

/** What brings the objects of a release back to what they were, when making its pods anew has failed. */
export function undoing(there: ReadonlyMap<ClusterObject, AnyObject>): ClusterObject[] {
  return [...there].flatMap(([object, found]) => {
    if (isWorkload(object)) {
      const { metadata } = workload.parse(found).spec.template;
      return [renewed(object, metadata?.annotations?.[RENEWED_ANNOTATION])];
    }
    return object.kind === 'Secret' ? [{ ...object, data: found.data }] : [];
  });
}
