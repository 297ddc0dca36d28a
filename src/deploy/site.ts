import type { Digest } from '../lib/digest.ts';
import type { Stored } from '../records/kind.ts';
import type { ReleaseConfig } from '../records/release.ts';
import type { Store } from '../store/store.ts';
import type { Hold, Ledger } from './ledger.ts';
import type { Target } from './target.ts';

/** Where the releases of one project run in one environment: a machine's folder, a cluster's namespace. */
export interface Site {
  readonly name: string;
  readonly environment: string;
  /** For people: where the history and the lock are. */
  readonly location: string;
  /** Holds the Deployments of this environment, and every release that the site can start again by itself. */
  readonly records: Store;
  readonly ledger: Ledger;
  /** Makes the place ready for a lock. */
  open(): Promise<void>;
  /** Mends what is damaged of the records here, from the store; called under the lock. */
  mend(): Promise<void>;
  /** The release that the place itself says it serves, without waking anything; undefined when it can't say. */
  live(): Promise<Digest | undefined>;
  /** Brings a release here whole, so that starting it needs no store. */
  bring(release: Stored<ReleaseConfig>): Promise<void>;
  /**
   * The values of the secrets that the place itself keeps for a release, as far as they can be read, by a name for people: whatever
   * its server prints must not show them. Absent where a place keeps none.
   */
  secretsOf?(release: Stored<ReleaseConfig>): Promise<Readonly<Record<string, string>>>;
  /** The verbs for one release. @param secrets values by name, for what the release names */
  target(
    release: Stored<ReleaseConfig>,
    secrets: Readonly<Record<string, string>>,
    hold: Hold,
  ): Promise<Target>;
  /** Tells the place which Deployment brought what serves. */
  note(deployment: Digest): Promise<void>;
  /** Removes what neither serves nor may be needed for a way back. */
  tidy(): Promise<void>;
  /** For people: how what serves is stopped by hand. */
  stopCommand(): Promise<string | undefined>;
  /** Ends what this process holds open, and leaves nothing of a deploy that never began. */
  close(): Promise<void>;
}
