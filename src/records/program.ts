import { z } from 'zod';
import { json } from '../lib/json.ts';
import { defineKind } from './kind.ts';
import { insidePath, projectName, variableName } from './names.ts';
import { digest } from './oci.ts';

/** The interpreter's packages, pinned by the digest of a lock file. */
export const programEnvironment = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('requirements'), lock: digest }),
  z.strictObject({ kind: z.literal('uv'), lock: digest, project: digest, groups: z.array(z.string()) }),
]);
export type ProgramEnvironment = z.infer<typeof programEnvironment>;

/**
 * Where a data set comes from. Its digest says which one is meant, and it alone counts in the training id: that of a file's
 * bytes or of a folder's list (`path`), of a data record (`oci`), of the bytes (`https`), of the list of files (`hf`), of the MD5 that
 * DVC gives it (`dvc`), or what the command prints (`command`).
 */
export const dataReference = z.union([
  z.strictObject({ path: z.string(), digest }),
  /** `HOST/REPOSITORY`, or the absolute path of a folder. */
  z.strictObject({ oci: z.string(), digest }),
  z.strictObject({ https: z.string(), digest }),
  z.strictObject({
    /** The repository, `ORGANISATION/NAME`. */
    hf: z.string(),
    type: z.enum(['dataset', 'model']),
    commit: z.string(),
    /** Globs; without them all files. */
    files: z.array(z.string()).optional(),
    digest,
  }),
  z.strictObject({
    /** The file of the commit that says it, and the out that is meant. */
    dvc: z.string(),
    out: z.string(),
    /** Of a file's bytes, or of a folder's list, which ends with `.dir`. */
    md5: z.string().regex(/^[0-9a-f]{32}(\.dir)?$/),
    size: z.int().nonnegative().optional(),
    /** Where the project keeps it: the name and the options of a remote, none of them secret. */
    remote: z.strictObject({ name: z.string(), options: z.record(z.string(), z.string()) }).optional(),
    digest,
  }),
  z.strictObject({ command: z.array(z.string()).min(1), digest }),
]);
export type DataReference = z.infer<typeof dataReference>;

/** What every program has. `directory` is the project's folder inside the source archive, `.` for its top. */
const common = {
  name: projectName,
  directory: z.string(),
  command: z.array(z.string()).min(1),
};

const torchrun = {
  /** Processes of each node; absent for one per GPU. */
  processes: z.int().positive().optional(),
  /** How often all workers may be started again after one of them failed. */
  restarts: z.int().nonnegative(),
};

/** What starts the program; it is no part of the training id. */
export const launcher = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('local') }),
  z.strictObject({ kind: z.literal('torchrun'), ...torchrun }),
  z.strictObject({
    kind: z.literal('slurm'),
    nodes: z.int().positive(),
    /** Of each node. */
    tasks: z.int().positive(),
    gpus: z.int().nonnegative(),
    cpus: z.int().positive().optional(),
    partition: z.string().optional(),
    timeSeconds: z.number().positive().optional(),
    /** More options of sbatch, each one argument. */
    options: z.array(z.string()),
    torchrun: z.strictObject(torchrun).optional(),
  }),
]);
export type Launcher = z.infer<typeof launcher>;

/** How many checkpoints stay durable besides the best one. */
export const checkpointPolicy = z.strictObject({
  keep: z.int().positive(),
  best: z.strictObject({ metric: z.string(), goal: z.enum(['maximize', 'minimize']) }).optional(),
});
export type CheckpointPolicy = z.infer<typeof checkpointPolicy>;

export const trainerConfig = z.strictObject({
  role: z.literal('trainer'),
  ...common,
  environment: programEnvironment,
  /** Defaults; a run may override them by name. */
  params: z.record(z.string(), json),
  data: z.record(z.string(), dataReference),
  /** Names of variables that the program gets from the runner machine. */
  env: z.array(variableName),
  resources: z.record(z.string(), z.number()),
  timeoutSeconds: z.number().positive().optional(),
  /** How long it may be silent before it counts as hung. */
  silenceSeconds: z.number().positive().optional(),
  /** Metrics that must stay finite. */
  finite: z.array(z.string()),
  launcher,
  checkpoints: checkpointPolicy,
  /** Parameters laid over the others for a try of a few steps. */
  smoke: z.strictObject({ params: z.record(z.string(), json) }).optional(),
});
export type TrainerConfig = z.infer<typeof trainerConfig>;

export const serverConfig = z.strictObject({
  role: z.literal('server'),
  ...common,
  /** What it runs in on a machine; at least one of this and `image` is there. */
  environment: programEnvironment.optional(),
  /** The container image that it runs in as a pod, by digest. */
  image: z.string().optional(),
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

/** Bytes of all files of a program's source: what is larger is weights or data, and those have places of their own. */
export const LARGEST_SOURCE = 256 * 2 ** 20;
export const MOST_SOURCE_FILES = 50_000;

export const SOURCE_LAYER = 'application/vnd.trainyard.source.v1.tar';
export const LOCK_LAYER = 'application/vnd.trainyard.lock.v1';

/** What build makes of a commit: a trainer or a server, as source archive and lock file. */
export const program = defineKind({ kind: 'program', schema: programConfig });
