import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { KindName } from '../records/kind.ts';
import { kindOf, kinds } from '../records/kinds.ts';
import { packageFacts } from '../records/package.ts';
import { parentsOf } from '../store/copy.ts';
import { type Live, whatServes } from '../store/live.ts';
import { getManifest, readConfig, unknownRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { type Facts, factsOf } from './facts.ts';

/** One record of a lineage. `parents` are what it stands on, a Source's the record that it explains. */
export interface Node {
  readonly digest: Digest;
  readonly kind: KindName;
  readonly parents: readonly Digest[];
  readonly facts: Facts;
  /** The endpoint of a release that serves now. */
  readonly serves: string | null;
}

export interface Lineage {
  readonly of: readonly Digest[];
  readonly nodes: readonly Node[];
  readonly live: readonly Live[];
}

/** Walks from records both ways: up to commits, data and parameters, down to what serves. */
export async function traceRecords(store: Store, of: readonly Digest[]): Promise<Lineage> {
  const live = await whatServes(store);
  const nodes = new Map<Digest, Node>();
  const read = async (digest: Digest): Promise<Node> => {
    const known = nodes.get(digest) ?? (await readNode(store, digest, live));
    nodes.set(digest, known);
    return known;
  };
  const up = async (digest: Digest): Promise<void> => {
    const node = await read(digest);
    for (const source of await childrenOf(store, digest))
      if ((await kindIn(store, source)) === 'source') await read(source);
    for (const parent of node.parents) if (!nodes.has(parent)) await up(parent);
  };
  const seen = new Set<Digest>();
  const down = async (digest: Digest): Promise<void> => {
    if (seen.has(digest)) return;
    seen.add(digest);
    await up(digest);
    for (const child of await childrenOf(store, digest))
      if ((await kindIn(store, child)) !== 'source') await down(child);
  };
  for (const digest of of) {
    const node = await read(digest);
    // A commit's Source explains records; they are what it leads to.
    for (const start of node.kind === 'source' ? node.parents : [digest]) await down(start);
  }
  return {
    of,
    nodes: [...nodes.values()].sort(byStage),
    live: live.filter(({ release }) => nodes.has(release)),
  };
}

/** The Source records of a commit, given by at least seven of its digits. */
export async function sourcesOfCommit(store: Store, commit: string): Promise<Digest[]> {
  const names = await store.names(`source-${commit.slice(0, 12)}`);
  if (names.size === 0)
    throw new UserError(
      `${store.location} knows nothing of commit ${commit}; was it built, and into this store?`,
    );
  return [...new Set(names.values())];
}

const STAGES: readonly KindName[] = ['data', 'source', 'program', 'run', 'package', 'release', 'deployment'];

function byStage(a: Node, b: Node): number {
  const when = ({ facts }: Node): string => String(facts.endedAt ?? '');
  return (
    STAGES.indexOf(a.kind) - STAGES.indexOf(b.kind) ||
    when(a).localeCompare(when(b)) ||
    (a.digest < b.digest ? -1 : 1)
  );
}

async function readNode(store: Store, digest: Digest, live: readonly Live[]): Promise<Node> {
  const found = await getManifest(store, digest);
  if (found === undefined) throw new UserError(`there is no record ${digest} in ${store.location}`);
  const { manifest } = found;
  const kind = kindOf(manifest.artifactType);
  if (kind === undefined || kind === 'newer') throw unknownRecord(digest, manifest.artifactType);
  const facts = factsOf(kind, manifest, await readConfig<unknown>(store, kinds[kind], digest, manifest));
  return {
    digest,
    kind,
    parents: parentsOf(kind, manifest),
    facts,
    serves: live.find(({ release }) => release === digest)?.endpoint ?? null,
  };
}

async function kindIn(store: Store, digest: Digest): Promise<KindName | 'newer' | undefined> {
  return kindOf((await getManifest(store, digest))?.manifest.artifactType);
}

/**
 * The records that name this one as subject, and the Packages that carry a server Program; not the signatures, notes and
 * the like that other tools attach.
 */
async function childrenOf(store: Store, digest: Digest): Promise<Digest[]> {
  const children = new Set<Digest>();
  for (const child of await store.children(digest))
    if ((await kindIn(store, child)) !== undefined) children.add(child);
  if ((await kindIn(store, digest)) !== 'program') return [...children];
  for (const candidate of (await store.names('package-')).values()) {
    const found = await getManifest(store, candidate);
    if (found !== undefined && packageFacts(found.manifest).server === digest) children.add(candidate);
  }
  return [...children];
}
