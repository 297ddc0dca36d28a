import { z } from 'zod';
import { strict } from '../lib/strict.ts';

/** One server on the machine of the deploy job, behind a front that owns the port. */
export const processTarget = strict({
  kind: z.literal('process'),
  port: z.int().min(1).max(65535),
  host: z.string().default('127.0.0.1'),
});
export type ProcessTarget = z.infer<typeof processTarget>;

/** Where a release runs. */
export const target = z.discriminatedUnion('kind', [processTarget]);
export type Target = z.infer<typeof target>;
