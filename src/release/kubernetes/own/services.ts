import { z } from 'zod';
import { namesRelease } from './check-workload.ts';
import type { Workload } from './workload.ts';
import { groupKind, type WrittenObject } from './written.ts';

/** A Service of the user's, with the workloads of these manifests whose pods it selects. */
export interface OwnService {
  readonly written: WrittenObject;
  /** Whether it selects the pods of one release: to apply it is the switch. */
  readonly isSwitch: boolean;
  readonly selected: readonly Workload[];
}

const spec = z.looseObject({
  spec: z.looseObject({ selector: z.record(z.string(), z.string()).default({}) }),
});

/** The Services among the objects, in their order. */
export function servicesOf(objects: readonly WrittenObject[], workloads: readonly Workload[]): OwnService[] {
  return objects
    .filter(({ value }) => groupKind(value) === '/Service')
    .map((written) => {
      const selector = spec.safeParse(written.value).data?.spec.selector ?? {};
      const pairs = Object.entries(selector);
      const selects = ({ pod }: Workload): boolean =>
        pairs.length > 0 && pairs.every(([key, value]) => pod.metadata.labels[key] === value);
      return { written, isSwitch: namesRelease(selector), selected: workloads.filter(selects) };
    });
}
