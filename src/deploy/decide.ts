import { type Digest, hexOf } from '../lib/digest.ts';
import type { Log } from '../lib/log.ts';
import type { Outcome } from '../records/deployment.ts';
import { type Event, heldBy } from '../records/history.ts';
import type { Stored } from '../records/kind.ts';
import type { ReleaseConfig } from '../records/release.ts';
import { type SourceConfig, source } from '../records/source.ts';
import { getManifest, readConfig } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { alikeIn } from './alike.ts';

/** Whether a commit is an ancestor of another one, and not the same; undefined when it can't be told. */
export type IsAncestor = (older: SourceConfig, newer: SourceConfig) => Promise<boolean | undefined>;

export interface Question {
  readonly release: Stored<ReleaseConfig>;
  /** What serves by now, as far as it is known. */
  readonly live: Digest | undefined;
  readonly history: readonly Event[];
  /** Whether a person named this release. */
  readonly byHand: boolean;
  readonly lift: boolean;
}

/** Why a deploy is not even begun; undefined when it may be. */
export async function whyNotBegun(
  { release, live, history, byHand, lift }: Question,
  stores: readonly Store[],
  { isAncestor, log }: { isAncestor: IsAncestor; log: Log },
): Promise<{ outcome: Extract<Outcome, 'held' | 'superseded'>; reason: string } | undefined> {
  // What nobody named is held by what it is: a training that was forced makes another release of the same.
  const isMeant = lift || byHand || live === release.digest;
  const alike = isMeant ? [] : await alikeIn(history, release.digest, stores);
  const hold = lift ? undefined : heldBy(history, release.digest, ...alike);
  if (hold !== undefined) {
    const who = hold.cause === undefined ? '' : ` by ${hold.cause.actor}`;
    return {
      outcome: 'held',
      reason: `the roll-back of ${hold.endedAt.slice(0, 16).replace('T', ' ')} UTC${who} left it; to lift that, run the workflow that lifts a hold, or deploy it with --lift true`,
    };
  }
  if (byHand || live === undefined || live === release.digest) return undefined;
  const [ours, theirs] = [await commitsOf(stores, release.digest), await commitsOf(stores, live)];
  for (const commit of ours) {
    const older = await isOlder(commit, theirs, isAncestor);
    if (older === undefined)
      log.info(`it can't be told whether commit ${commit.commit.slice(0, 12)} is older than what serves`);
    if (older !== true) return undefined;
  }
  if (ours.length === 0) return undefined;
  return {
    outcome: 'superseded',
    reason: `commit ${ours[0]?.commit.slice(0, 12)} is older than ${theirs[0]?.commit.slice(0, 12)}, whose release ${hexOf(live, 12)} serves; deploy it by hand if it is meant`,
  };
}

/** Whether it is an ancestor of any of the others; undefined when that can't be told. */
async function isOlder(
  commit: SourceConfig,
  than: readonly SourceConfig[],
  isAncestor: IsAncestor,
): Promise<boolean | undefined> {
  let answer: boolean | undefined = than.length === 0 ? undefined : false;
  for (const other of than) {
    const older = await isAncestor(commit, other);
    if (older === true) return true;
    if (older === undefined) answer = undefined;
  }
  return answer;
}

/** The commits that explain a release: several may have made the same one, and each store knows what was brought to it. */
async function commitsOf(stores: readonly Store[], release: Digest): Promise<SourceConfig[]> {
  const commits = new Map<string, SourceConfig>();
  for (const store of stores) {
    for (const child of await store.children(release)) {
      const manifest = (await getManifest(store, child))?.manifest;
      if (manifest?.artifactType !== source.artifactType) continue;
      const config = await readConfig(store, source, child, manifest);
      commits.set(config.commit, config);
    }
  }
  return [...commits.values()];
}
