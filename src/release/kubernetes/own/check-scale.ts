import { z } from 'zod';
import type { Workload } from './workload.ts';
import { titleOf, type WrittenObject } from './written.ts';

/** A HorizontalPodAutoscaler, say. */
const scaler = z.looseObject({
  spec: z.looseObject({
    scaleTargetRef: z.looseObject({ kind: z.string().default('Deployment'), name: z.string() }),
  }),
});
const sized = z.looseObject({ spec: z.looseObject({ replicas: z.int() }) });

/** A scaler that all releases share turns to a new one with the switch: the whole load comes to the pods that it began with. */
export function checkScale(objects: readonly WrittenObject[], served: readonly Workload[]): string[] {
  const unsized = served.filter(({ written }) => !sized.safeParse(written.value).success);
  return objects.flatMap((object) => {
    const target = scaler.safeParse(object.value).data?.spec.scaleTargetRef;
    return unsized
      .filter(({ written: { value } }) => value.kind === target?.kind && value.metadata.name === target.name)
      .map(
        ({ written }) =>
          `${written.place(['spec'])}: ${titleOf(written)} has no replicas: each release would begin with one pod, and ${titleOf(object)} adds others after the whole load has come; give replicas that carry it at the switch`,
      );
  });
}
