import { z } from 'zod';
import { item } from './object.ts';

export const event = item.extend({
  involvedObject: z.looseObject({ name: z.string().optional() }),
  reason: z.string().optional(),
  message: z.string().optional(),
});
export type Event = z.infer<typeof event>;
