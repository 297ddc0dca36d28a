import { z } from 'zod';
import { item } from './object.ts';

export const lease = item.extend({
  spec: z.looseObject({
    holderIdentity: z.string().nullish(),
    leaseDurationSeconds: z.int().nullish(),
    acquireTime: z.string().nullish(),
    renewTime: z.string().nullish(),
    leaseTransitions: z.int().nullish(),
  }),
});
export type Lease = z.infer<typeof lease>;
