import { z } from 'zod';
import { RELEASE, RELEASE_SHORT } from '../../../records/cluster.ts';
import { namesRelease } from './check-workload.ts';
import { containersOf, isDeployment, type Workload } from './workload.ts';
import { groupKind, titleOf, type WrittenObject } from './written.ts';

const service = z.looseObject({
  spec: z.looseObject({ selector: z.record(z.string(), z.string()).default({}) }),
});

/** What keeps the switch from being one: a Service that selects one release, and a Deployment that it selects. */
export function checkServices(
  objects: readonly WrittenObject[],
  workloads: readonly Workload[],
  folder: string,
): string[] {
  const services = objects
    .filter(({ value }) => groupKind(value) === '/Service')
    .map((written) => ({ written, selector: service.safeParse(written.value).data?.spec.selector ?? {} }));
  const problems: string[] = [];
  const selects = (selector: Readonly<Record<string, string>>, { pod }: Workload): boolean =>
    Object.keys(selector).length > 0 &&
    Object.entries(selector).every(([key, value]) => pod.metadata.labels[key] === value);
  for (const { written, selector } of services) {
    const selected = workloads.filter((workload) => selects(selector, workload));
    if (selected.length > 0 && !namesRelease(selector))
      problems.push(
        `${written.place(['spec', 'selector'])}: ${titleOf(written)} selects pods of all releases at once; its selector needs the label with the value "${RELEASE_SHORT}"`,
      );
  }
  const switches = services.filter(({ selector }) => namesRelease(selector));
  const [first, second] = switches;
  if (first === undefined) {
    problems.push(
      `${folder}: no Service selects one release, so there is nothing to switch; give a Service whose selector holds the label with the value "${RELEASE_SHORT}"`,
    );
    return problems;
  }
  if (second !== undefined)
    problems.push(
      `${second.written.place(['spec', 'selector'])}: ${titleOf(second.written)} selects one release, as ${titleOf(first.written)} does, and only one Service can be switched`,
    );
  const { written, selector } = first;
  if (written.value.metadata.name.includes(RELEASE_SHORT))
    problems.push(
      `${written.place(['metadata', 'name'])}: ${titleOf(written)} has the release in its name, so nobody would find the next one; a Service keeps its name, such as "@@TRAINYARD_NAME@@"`,
    );
  const served = workloads.filter((workload) => selects(selector, workload));
  if (!served.some(isDeployment))
    problems.push(
      `${written.place(['spec', 'selector'])}: ${titleOf(written)} selects no Deployment of these manifests; what serves is a Deployment, whose roll-out is watched`,
    );
  for (const workload of served) {
    const variables = containersOf(workload).flatMap(({ container }) => container.env);
    if (!variables.some(({ name, value }) => name === 'TRAINYARD_RELEASE' && value === RELEASE))
      problems.push(
        `${workload.written.place([...workload.path, 'spec', 'containers'])}: the pods of ${titleOf(workload.written)} don't know which release they are; give the server the variable {name: TRAINYARD_RELEASE, value: "${RELEASE}"}`,
      );
  }
  return problems;
}
