import { z } from 'zod';

export const texts = z.record(z.string(), z.string());

/** What Trainyard reads of each object's. */
const metadata = z.looseObject({
  name: z.string(),
  namespace: z.string().optional(),
  labels: texts.optional(),
  annotations: texts.optional(),
  resourceVersion: z.string().optional(),
  generation: z.int().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
});

/** Any object of a cluster. */
export const anyObject = z.looseObject({ apiVersion: z.string(), kind: z.string(), metadata });
export type AnyObject = z.infer<typeof anyObject>;

/** An item of a list has no kind of its own. */
export const item = z.looseObject({ metadata });

/** A list that may be left out, or be null: an API server takes both for an empty one. */
export function listOrNull<T extends z.ZodType>(one: T) {
  return z
    .array(one)
    .nullish()
    .transform((found) => found ?? []);
}

export const condition = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
  lastTransitionTime: z.string().nullish(),
});
