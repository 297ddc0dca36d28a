import { RELEASE, RELEASE_SHORT } from '../../../records/cluster.ts';
import type { OwnService } from './services.ts';
import { containersOf, isDeployment, type Workload } from './workload.ts';
import { titleOf } from './written.ts';

/** What keeps the switch from being one: Services that select one release, and a Deployment that they select. */
export function checkServices(services: readonly OwnService[], folder: string): string[] {
  const [first, ...others] = services.filter(({ isSwitch }) => isSwitch);
  const all = services
    .filter(({ isSwitch, selected }) => !isSwitch && selected.length > 0)
    .map(
      ({ written }) =>
        `${written.place(['spec', 'selector'])}: ${titleOf(written)} selects pods of all releases at once; its selector needs the label with the value "${RELEASE_SHORT}"`,
    );
  if (first === undefined)
    return [
      ...all,
      `${folder}: no Service selects one release, so there is nothing to switch; give a Service whose selector holds the label with the value "${RELEASE_SHORT}"`,
    ];
  const differing = others
    .filter(({ selected }) => !isSame(selected, first.selected))
    .map(
      ({ written }) =>
        `${written.place(['spec', 'selector'])}: ${titleOf(written)} selects other workloads than ${titleOf(first.written)}; what serves is one, whichever Service leads to it`,
    );
  return [
    ...all,
    ...[first, ...others].flatMap(checkName),
    ...checkSelected(first),
    ...differing,
    ...first.selected.flatMap(checkIdentity),
  ];
}

function checkName({ written }: OwnService): string[] {
  if (!written.value.metadata.name.includes(RELEASE_SHORT)) return [];
  return [
    `${written.place(['metadata', 'name'])}: ${titleOf(written)} has the release in its name, so nobody would find the next one; a Service keeps its name, such as "@@TRAINYARD_NAME@@"`,
  ];
}

function checkSelected({ written, selected }: OwnService): string[] {
  if (selected.length > 0 && selected.every(isDeployment)) return [];
  const found = selected.map((workload) => titleOf(workload.written)).join(', ') || 'no workload';
  return [
    `${written.place(['spec', 'selector'])}: ${titleOf(written)} selects ${found} of these manifests; what serves is a Deployment, whose roll-out is watched`,
  ];
}

function checkIdentity(workload: Workload): string[] {
  const variables = containersOf(workload).flatMap(({ container }) => container.env);
  if (variables.some(({ name, value }) => name === 'TRAINYARD_RELEASE' && value === RELEASE)) return [];
  return [
    `${workload.written.place([...workload.path, 'spec', 'containers'])}: the pods of ${titleOf(workload.written)} don't know which release they are; give the server the variable {name: TRAINYARD_RELEASE, value: "${RELEASE}"}`,
  ];
}

function isSame(some: readonly Workload[], others: readonly Workload[]): boolean {
  return some.length === others.length && some.every((one) => others.includes(one));
}
