import { z } from 'zod';
import { json } from '../lib/json.ts';
import { defineKind } from './kind.ts';
import { insidePath, projectName, variableName } from './names.ts';
import { digest } from './oci.ts';

/** The interpreter's packages, pinned: a lock file, by digest, or a container image. */
export const programEnvironment = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('requirements'), lock: digest }),
  z.strictObject({ kind: z.literal('uv'), lock: digest, project: digest, groups: z.array(z.string()) }),
  z.strictObject({ kind: z.literal('image'), image: z.string() }),
]);
export type ProgramEnvironment = z.infer<typeof programEnvironment>;

/** What every program has. `directory` is the project's folder inside the source archive, `.` for its top. */
const common = {
  name: projectName,
  directory: z.string(),
  command: z.array(z.string()).min(1),
  environment: programEnvironment,
};

export const trainerConfig = z.strictObject({
  role: z.literal('trainer'),
  ...common,
  /** Defaults; a run may override them by name. */
  params: z.record(z.string(), json),
  data: z.record(z.string(), z.strictObject({ path: z.string(), digest })),
  /** Names of variables that the program gets from the runner machine. */
  env: z.array(variableName),
  resources: z.record(z.string(), z.number()),
  timeoutSeconds: z.number().positive().optional(),
});
export type TrainerConfig = z.infer<typeof trainerConfig>;

export const serverConfig = z.strictObject({
  role: z.literal('server'),
  ...common,
  ready: z.string().startsWith('/'),
  readyTimeoutSeconds: z.number().positive(),
  /** The name of the trainer's output that holds golden requests. */
  golden: insidePath.optional(),
  /** Relative tolerance of numbers in golden answers. */
  tolerance: z.number().nonnegative(),
  /** JSON Schema of the environments' configuration and secrets. */
  config: z.record(z.string(), json).optional(),
});
export type ServerConfig = z.infer<typeof serverConfig>;

export const programConfig = z.discriminatedUnion('role', [trainerConfig, serverConfig]);
export type ProgramConfig = z.infer<typeof programConfig>;

export const SOURCE_LAYER = 'application/vnd.trainyard.source.v1.tar';
export const LOCK_LAYER = 'application/vnd.trainyard.lock.v1';

/** What build makes of a commit: a trainer or a server, as source archive and lock file. */
export const program = defineKind({ kind: 'program', schema: programConfig });
