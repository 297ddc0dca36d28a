import { UserError } from '../lib/errors.ts';
import { duration } from '../lib/units.ts';
import { optional, type Reader } from './inputs.ts';

/** A duration in seconds. */
const seconds: Reader<number> = (value, name) => {
  const parsed = duration.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UserError(`input ${name} is ${JSON.stringify(value)}; give a duration such as 90s, 30m or 4h30m`);
};

const amount: Reader<number> = (value, name) => {
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value);
  throw new UserError(`input ${name} is ${JSON.stringify(value)}; give a number such as 2.5`);
};

/** In seconds. */
export const optionalDuration = optional(seconds);
export const optionalAmount = optional(amount);
