import { posix } from 'node:path';
import { userErrors } from '../../../lib/errors.ts';
import type { ClusterObject } from '../../../records/cluster.ts';
import type { Commit } from '../../../source/commit.ts';
import { configMap } from '../object.ts';
import type { Rendering } from '../rendering.ts';
import { checkConfig } from './check-config.ts';
import { checkObject, checkTwice, objectOf } from './check-object.ts';
import { checkScale } from './check-scale.ts';
import { checkServices } from './check-service.ts';
import { checkUse } from './check-use.ts';
import { checkWorkload } from './check-workload.ts';
import { complete } from './complete.ts';
import { fillIn, type Meaning } from './placeholders.ts';
import { readManifests } from './read.ts';
import { servicesOf } from './services.ts';
import { type Workload, workloadOf } from './workload.ts';
import type { WrittenObject } from './written.ts';

/** What the user's own manifests are made into a release's with. */
export interface OwnRequest extends Pick<Rendering, 'config' | 'target'> {
  readonly commit: Commit;
  /** The folder of the manifests, relative to the project. */
  readonly folder: string;
  readonly meanings: ReadonlyMap<string, Meaning>;
  /** Gives a new empty folder. */
  scratch(): Promise<string>;
}

/**
 * The objects of a release by the user's own manifests, with the ConfigMap of its configuration first and the Services that switch last.
 * @throws UserError with all that is wrong, each with file and line
 */
export async function ownManifests(request: OwnRequest): Promise<ClusterObject[]> {
  const { config, target, commit, scratch } = request;
  const folder = posix.join(commit.project, request.folder);
  const { documents, problems: unread } = await readManifests(commit, folder, scratch);
  const problems = [...unread];
  const used = new Set<string>();
  const objects: WrittenObject[] = [];
  const workloads = new Map<WrittenObject, Workload>();
  for (const document of documents) {
    const filled = fillIn(document, request.meanings);
    problems.push(...filled.problems);
    for (const name of filled.used) used.add(name);
    const object = objectOf({ value: filled.value, place: document.place });
    if (typeof object === 'string') {
      problems.push(object);
      continue;
    }
    objects.push(object);
    problems.push(...checkObject(object, target));
    const workload = workloadOf(object);
    if (typeof workload === 'string') problems.push(workload);
    else if (workload !== undefined) workloads.set(object, workload);
  }
  const made = [...workloads.values()];
  const services = servicesOf(objects, made);
  const switches = services.filter(({ isSwitch }) => isSwitch);
  const served = new Set(switches.flatMap(({ selected }) => selected));
  problems.push(
    ...checkTwice(objects),
    ...made.flatMap(checkWorkload),
    ...checkScale(objects, [...served]),
    ...checkConfig(objects, made),
  );
  // What is missing as a whole is told when all of it could be read.
  if (unread.length === 0)
    problems.push(...checkServices(services, folder), ...checkUse(objects, used, config, folder));
  if (problems.length > 0) throw userErrors(`the manifests in ${folder} cannot be released`, problems);
  const completed = objects.map((one) => {
    const workload = workloads.get(one);
    const isSwitch = switches.some(({ written }) => written === one);
    const part = { served: workload && served.has(workload) ? workload : undefined, isSwitch };
    return { isSwitch, object: complete(one, part, request) };
  });
  const inOrder = [...completed.filter((one) => !one.isSwitch), ...completed.filter((one) => one.isSwitch)];
  return [configMap(request), ...inOrder.map(({ object }) => object)];
}
