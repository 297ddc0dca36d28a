import type { Stored } from '../../records/kind.ts';
import type { ModelConfig } from '../../records/package.ts';
import type { ServerConfig } from '../../records/program.ts';
import type { ReleaseConfig } from '../../records/release.ts';
import type { Commit } from '../../source/commit.ts';
import type { Store } from '../../store/store.ts';

/** What manifests are made of, before it is known whether that can be done. */
export interface ManifestRequest {
  readonly commit: Commit;
  readonly config: ReleaseConfig;
  readonly server: Stored<ServerConfig>;
  readonly package: Stored<ModelConfig>;
  readonly store: Store;
  /** `file:line:column` of a value of the environment's file. */
  place(path: readonly PropertyKey[]): string;
}
