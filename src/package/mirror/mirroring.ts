import type { Digest } from '../../lib/digest.ts';
import type { Stored } from '../../records/kind.ts';
import type { RunConfig } from '../../records/run.ts';
import type { Store } from '../../store/store.ts';
import type { MlflowServer } from './server.ts';

/** What to tell which server. */
export interface Mirroring {
  readonly name: string;
  readonly run: Stored<RunConfig>;
  readonly package: Digest;
  /** What the model version points to; undefined for none. */
  readonly source: string | undefined;
  /** That has the Run. */
  readonly store: Store;
  readonly server: MlflowServer;
}

/** Tags in MLflow's words. */
export function tagsOf(tags: Readonly<Record<string, string>>): { key: string; value: string }[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}
