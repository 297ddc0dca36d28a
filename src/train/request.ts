import type { DataPlace } from '../data/open.ts';
import type { Digest } from '../lib/digest.ts';
import type { DigestCache } from '../lib/digest-cache.ts';
import type { Environment } from '../lib/environment.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Log, ProgramConsole } from '../lib/log.ts';
import type { Stored } from '../records/kind.ts';
import type { TrainerConfig } from '../records/program.ts';
import type { RunConfig } from '../records/run.ts';
import type { Store } from '../store/store.ts';
import type { Series } from './metrics/series.ts';
import type { Finding } from './preflight/finding.ts';
import type { Leftover } from './tidy.ts';

export interface TrainRequest {
  /** The trainer Program that build made. */
  readonly trainer: Digest;
  /** Overrides of its parameters, the same as for build. */
  readonly params: JsonObject;
  /** The commit whose workflow started this; null outside a workflow. */
  readonly commit: string | null;
  /** Asks the program to checkpoint and stop after so many seconds, counted from the step's start. */
  readonly timeBudgetSeconds?: number | undefined;
  /** The Run of the segment before. */
  readonly previous?: Digest | undefined;
  /** Trains from the beginning though a finished Run or checkpoints of this training are there. */
  readonly force?: boolean;
  /** Refuses a runner that earlier jobs have used. */
  readonly singleUse?: boolean;
  /** How long a GPU is waited for. */
  readonly gpuWaitSeconds?: number | undefined;
  /** Of the machine, in any currency. */
  readonly pricePerHour?: number | undefined;
}

/** What fetching data takes besides what every training has. */
export interface DataFetching extends Pick<DataPlace, 'openStore' | 'sleep'> {
  /** The folder that keeps what was fetched, for this machine's trainings. */
  readonly cache: string;
  /** How large it may become, in bytes; undefined for half of its disk. */
  readonly limit: number | undefined;
}

/** What a training needs of the machine. */
export interface TrainDeps {
  /** Where the trainer is read from, and the Run is written to. */
  readonly handoff: Store;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** The machine's variables; the program gets the part that an allow-list takes. */
  readonly env: Environment;
  /** The folder that relative paths of data lie in. */
  readonly dataFolder: string | undefined;
  /** What files of data held when they were last read, so that a training does not wait for what has not changed since. */
  readonly digests: DigestCache;
  /** How data sets of other places come here. */
  readonly data: DataFetching;
  /** Where checkpoints are made durable: a folder, or `oci://HOST/REPOSITORY`. */
  readonly checkpoints: string;
  /** The folder in which trainings of this machine lease its GPUs; they clean up after those with whom they share it. */
  readonly leases: string;
  /** The folder in which the jobs of a runner work; undefined outside a job. */
  readonly workFolder: string | undefined;
  /** Where trainings work whose hand-off is no folder, and those that Slurm runs: on a disk that its nodes see, too. */
  readonly jobs: string;
  /** Where Python environments are kept between trainings. */
  readonly environments: string;
  /** Keeps what has to be tidied up if this process is killed, for the step that follows; undefined once nothing has. */
  remember(left: Leftover | undefined): void;
  /** The path of uv. */
  uv(): Promise<string>;
  /** Shows the program's lines while `work` runs. */
  console<T>(work: (console: ProgramConsole) => Promise<T>): Promise<T>;
}

export interface TrainResult {
  readonly trainer: Stored<TrainerConfig>;
  readonly run: Stored<RunConfig>;
  /** The course of every metric. */
  readonly series: ReadonlyMap<string, Series>;
  /** The last lines that the program printed. */
  readonly lastLines: readonly string[];
  /** Whether another job, which this one waited for, has trained it. */
  readonly isReused: boolean;
  /** What was found of the machine before. */
  readonly findings: readonly Finding[];
}
