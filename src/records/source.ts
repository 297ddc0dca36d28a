import { z } from 'zod';
import { defineKind } from './kind.ts';

export const sourceConfig = z.strictObject({
  /** As its remote names it, without credentials; empty for a repository without one. */
  repository: z.string(),
  commit: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/),
  /** The project's folder in the repository, `.` for its top. */
  path: z.string(),
  ref: z.string(),
});
export type SourceConfig = z.infer<typeof sourceConfig>;

/** Explains where a Program or Release came from; one commit may explain many, many commits one. */
export const source = defineKind({
  kind: 'source',
  schema: sourceConfig,
  tagPart: (config) => config.commit.slice(0, 12),
});
