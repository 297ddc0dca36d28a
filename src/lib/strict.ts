import { z } from 'zod';

/** An object that takes no other keys, and whose error lists those that it takes. */
export function strict<S extends z.core.$ZodLooseShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}; allowed are ${Object.keys(shape).join(', ')}`
        : undefined,
  });
}
