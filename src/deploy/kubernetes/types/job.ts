import { z } from 'zod';
import { condition, item } from './object.ts';

export const job = item.extend({
  spec: z.looseObject({ activeDeadlineSeconds: z.int().nullish() }),
  status: z.looseObject({ conditions: z.array(condition).default([]) }).optional(),
});
export type Job = z.infer<typeof job>;
