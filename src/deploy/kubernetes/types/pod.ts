import { z } from 'zod';
import { container } from './container.ts';
import { condition, item } from './object.ts';

export const podSpec = z.looseObject({
  containers: z.array(container),
  initContainers: z.array(container).default([]),
  volumes: z
    .array(
      z.looseObject({
        name: z.string(),
        image: z.looseObject({ reference: z.string().optional() }).optional(),
      }),
    )
    .default([]),
});
export type PodSpec = z.infer<typeof podSpec>;

const terminated = z.looseObject({
  exitCode: z.int(),
  reason: z.string().optional(),
  message: z.string().optional(),
});
const containerStatus = z.looseObject({
  name: z.string(),
  ready: z.boolean(),
  restartCount: z.int(),
  state: z
    .looseObject({
      waiting: z.looseObject({ reason: z.string().optional(), message: z.string().optional() }).optional(),
      terminated: terminated.optional(),
    })
    .optional(),
  lastState: z.looseObject({ terminated: terminated.optional() }).optional(),
});
export type ContainerStatus = z.infer<typeof containerStatus>;

export const pod = item.extend({
  spec: podSpec,
  status: z
    .looseObject({
      phase: z.string().optional(),
      reason: z.string().optional(),
      message: z.string().optional(),
      conditions: z.array(condition).default([]),
      containerStatuses: z.array(containerStatus).default([]),
      initContainerStatuses: z.array(containerStatus).default([]),
    })
    .default({ conditions: [], containerStatuses: [], initContainerStatuses: [] }),
});
export type Pod = z.infer<typeof pod>;
