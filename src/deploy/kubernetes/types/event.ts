import { z } from 'zod';
import { item } from './object.ts';

export const event = item.extend({
  type: z.string().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  count: z.int().nullish(),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
});
