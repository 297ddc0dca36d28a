import { MachineError, UserError, userErrors } from '../../lib/errors.ts';
import type { ClusterObject } from '../../records/cluster.ts';
import { droppedFrom } from './dropped.ts';
import { environmentLabels, type Place } from './place.ts';
import { type AnyObject, anyObject } from './types/object.ts';

/**
 * Checks, without changing anything, that the API server takes all objects as they are, and that none of their names is
 * somebody else's.
 * @param more problems that were found elsewhere
 * @returns those of them that are there already, as they are
 * @throws UserError with everything that is wrong
 */
export async function checkObjects(
  place: Place,
  objects: readonly ClusterObject[],
  more: readonly string[],
): Promise<ReadonlyMap<ClusterObject, AnyObject>> {
  const problems = [...more];
  const there = new Map<ClusterObject, AnyObject>();
  const checks = objects.map(async (object) => {
    try {
      const path = await place.resources.pathOf(object);
      const [found, taken] = await Promise.all([
        place.api.get(path, anyObject),
        place.api.apply(path, object, { dryRun: true }),
      ]);
      if (found !== undefined) {
        there.set(object, found);
        problems.push(...notOurs(place, found));
      }
      problems.push(...droppedFrom(object, taken));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(error.message);
    }
  });
  await Promise.all(checks);
  if (problems.length > 0)
    throw userErrors('the cluster does not take the release; nothing was changed', problems);
  return there;
}

/** Applies objects that were checked, all at once. */
export async function applyObjects(place: Place, objects: readonly ClusterObject[]): Promise<AnyObject[]> {
  return Promise.all(
    objects.map(async (object) => place.api.apply(await place.resources.pathOf(object), object)),
  );
}

/** Those of the objects that are not there. */
export async function missingOf(place: Place, objects: readonly ClusterObject[]): Promise<ClusterObject[]> {
  const found = await Promise.all(
    objects.map(async (object) => place.api.get(await place.resources.pathOf(object), anyObject)),
  );
  return objects.filter((_, index) => found[index] === undefined);
}

/** Work on objects that were checked: what is refused then has another cause than the user's manifests. */
export async function begun<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Nobody must take it for one before which nothing has changed.
    if (error instanceof UserError) throw new MachineError(error.message, { cause: error });
    throw error;
  }
}

function notOurs(place: Place, { kind, metadata }: AnyObject): string[] {
  const { labels = {}, name } = metadata;
  if (Object.entries(environmentLabels(place)).every(([key, value]) => labels[key] === value)) return [];
  return [
    `${kind} ${name} is in namespace ${place.namespace} already, and is not of ${place.name} in ${place.environment} (its labels say so): rename one, or remove it`,
  ];
}
