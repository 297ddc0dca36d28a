import { RELEASE_SHORT } from '../../../records/cluster.ts';
import { containersOf, type Workload } from './workload.ts';
import { groupKind, titleOf } from './written.ts';

const PINNED = /^[^\s@]+@sha256:[0-9a-f]{64}$/;

/** Kinds of which nobody would know whether they work. */
const UNWATCHED: Readonly<Record<string, string>> = {
  '/Pod': 'is a pod that nobody makes again when it ends; write a Deployment, or a Job',
  '/ReplicationController': 'is of a kind whose roll-out nobody watches; write a Deployment',
  'apps/ReplicaSet': 'is of a kind whose roll-out nobody watches; write a Deployment',
  'apps/DaemonSet': 'would run on every node beside that of the other release; apply it apart',
};

/** What keeps a workload from running beside that of another release, or from being the same wherever it runs. */
export function checkWorkload(workload: Workload): string[] {
  const { written, path, pod, selector } = workload;
  const { place, value } = written;
  const title = titleOf(written);
  const problems: string[] = [];
  const unwatched = UNWATCHED[groupKind(value)];
  if (unwatched !== undefined) problems.push(`${place(['kind'])}: ${title} ${unwatched}`);
  if (!value.metadata.name.includes(RELEASE_SHORT))
    problems.push(
      `${place(['metadata', 'name'])}: ${title} would take the place of the one that serves; a workload's name holds ${RELEASE_SHORT}, such as ${value.metadata.name}-${RELEASE_SHORT}`,
    );
  if (!namesRelease(pod.metadata.labels))
    problems.push(
      `${place([...path, 'metadata', 'labels'])}: the pods of ${title} are not told from those of other releases; give them a label with the value "${RELEASE_SHORT}"`,
    );
  else if (selector !== undefined && !namesRelease(selector))
    problems.push(
      `${place(['spec', 'selector'])}: ${title} would take the pods of other releases for its own; its selector needs the label with the value "${RELEASE_SHORT}", too`,
    );
  for (const { container, path: at } of containersOf(workload)) {
    if (container.image === undefined || !PINNED.test(container.image))
      problems.push(
        `${place([...at, 'image'])}: the image of container ${container.name ?? ''} of ${title} is ${container.image ?? 'missing'}; pin it by digest (HOST/REPO@sha256:…), or write "@@TRAINYARD_SERVER_IMAGE@@"`,
      );
  }
  pod.spec.volumes.forEach(({ image }, index) => {
    if (image !== undefined && !PINNED.test(image.reference ?? ''))
      problems.push(
        `${place([...path, 'spec', 'volumes', index, 'image', 'reference'])}: a volume of ${title} is the image ${image.reference ?? ''}; pin it by digest, or write "@@TRAINYARD_MODEL_IMAGE@@"`,
      );
  });
  return problems;
}

/** Whether labels, or a selector of them, mean one release alone. */
export function namesRelease(labels: Readonly<Record<string, string>>): boolean {
  return Object.values(labels).some((value) => value.includes(RELEASE_SHORT));
}
