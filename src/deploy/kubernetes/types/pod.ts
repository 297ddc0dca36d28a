import { z } from 'zod';
import { container } from './container.ts';
import { condition, item, listOrNull } from './object.ts';

/** What is taken of a Secret that becomes files: the keys that are named, all of them where none is. */
const taken = {
  items: listOrNull(z.looseObject({ key: z.string() })),
  optional: z.boolean().nullish(),
};

/**
 * A volume as far as it matters here. Of a Secret its own kind says `secretName`, and one of several sources `name`. An API server
 * takes null for what is not there.
 */
const volume = z.looseObject({
  name: z.string(),
  image: z.looseObject({ reference: z.string().nullish() }).nullish(),
  secret: z.looseObject({ secretName: z.string(), ...taken }).nullish(),
  projected: z
    .looseObject({
      sources: listOrNull(z.looseObject({ secret: z.looseObject({ name: z.string(), ...taken }).nullish() })),
    })
    .nullish(),
});
export type Volume = z.infer<typeof volume>;

export const podSpec = z.looseObject({
  containers: z.array(container),
  initContainers: listOrNull(container),
  volumes: listOrNull(volume),
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
