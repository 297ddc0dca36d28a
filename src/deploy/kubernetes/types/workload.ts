import { z } from 'zod';
import { condition, item, texts } from './object.ts';
import { podSpec } from './pod.ts';

/** A Deployment, and what else makes pods by a template. */
export const workload = item.extend({
  spec: z.looseObject({
    replicas: z.int().optional(),
    progressDeadlineSeconds: z.int().optional(),
    template: z.looseObject({
      metadata: z.looseObject({ labels: texts.optional(), annotations: texts.optional() }).optional(),
      spec: podSpec,
    }),
  }),
  status: z
    .looseObject({
      observedGeneration: z.int().optional(),
      replicas: z.int().optional(),
      updatedReplicas: z.int().optional(),
      availableReplicas: z.int().optional(),
      conditions: z.array(condition).default([]),
    })
    .optional(),
});
export type Workload = z.infer<typeof workload>;
