import { z } from 'zod';

/** What is watched, or listed, is read as one of these. */
export const listOf = <T>(of: z.ZodType<T>) =>
  z.looseObject({
    metadata: z.looseObject({ resourceVersion: z.string().default('') }),
    items: z.array(of).nullish(),
  });

export const change = z.looseObject({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
});
