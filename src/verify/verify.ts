import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { kindOf } from '../records/kinds.ts';
import { TITLE } from '../records/oci.ts';
import type { Store } from '../store/store.ts';
import { type Found, readBlobs } from './blobs.ts';
import { manifestIn } from './record.ts';
import { AGAIN, type Met, Walk } from './walk.ts';

export interface VerifyRequest {
  /** Undefined for every record of the store. */
  readonly of: Digest | undefined;
  readonly repair: boolean;
  readonly store: Store;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** A record that was verified. */
export interface Verdict {
  readonly digest: Digest;
  /** What another tool wrote is an image or an index; undefined for what cannot be read. */
  readonly kind: Met['kind'];
  readonly role?: Met['role'];
  readonly blobs: number;
  /** Of its blobs and its manifest, as the record says it. */
  readonly bytes: number;
  /** Every broken link, in a sentence that names the way to mend it. */
  readonly problems: readonly string[];
}

export interface Verified {
  /** In the order of the stages. */
  readonly verdicts: readonly Verdict[];
  /** How many blobs were read, and their bytes. */
  readonly blobs: number;
  readonly bytes: number;
  /** What was mended before, in sentences. */
  readonly mended: readonly string[];
}

const STAGES: readonly Met['kind'][] = [
  'data',
  'source',
  'program',
  'run',
  'package',
  'release',
  'deployment',
];

/**
 * Proves that records are whole, with all that they stand on up to a commit: every manifest, configuration and file is read to its
 * last byte.
 * @throws UserError when there is no such record, or the store cannot be repaired
 */
export async function verify(request: VerifyRequest): Promise<Verified> {
  const { of, repair, store, log, signal } = request;
  const mended = repair ? await repairStore(store) : [];
  const walk = await walkFrom(store, of);
  const records = [...walk.met.values()].sort((a, b) => rank(a) - rank(b));
  const expected = new Map(records.flatMap(({ blobs }) => blobs.map(({ digest, size }) => [digest, size])));
  const found = await log.group(`Read ${expected.size} blobs of ${records.length} records`, () =>
    readBlobs(store, expected, { log, signal, drop: repair }),
  );
  return {
    verdicts: records.map((record) => verdictOf(record, found)),
    blobs: expected.size,
    bytes: [...expected.values()].reduce((sum, size) => sum + size, 0),
    mended,
  };
}

async function repairStore(store: Store): Promise<readonly string[]> {
  if (store.repair !== undefined) return store.repair();
  throw new UserError(
    `${store.location} cannot be repaired: what is in it is never changed. Run the stage again that made the record, or repair a store of your own, a folder or a registry`,
  );
}

async function walkFrom(store: Store, of: Digest | undefined): Promise<Walk> {
  if (of !== undefined) {
    const walk = new Walk(store, async (digest) => onlySources(store, await store.children(digest)));
    if ((await walk.visit(of)) !== undefined) return walk;
    throw new UserError(`there is no record ${of} in ${store.location}`);
  }
  const names = await store.names('');
  if (names.size === 0) throw new UserError(`${store.location} holds no records; is it the right store?`);
  const sources = new Map<Digest, Digest[]>();
  for (const digest of await onlySources(store, new Set(names.values()))) {
    const subject = (await manifestIn(store, digest))?.subject?.digest;
    if (subject !== undefined) sources.set(subject, [...(sources.get(subject) ?? []), digest]);
  }
  const walk = new Walk(store, async (digest) => sources.get(digest) ?? []);
  for (const [name, digest] of names) {
    if ((await walk.visit(digest)) !== undefined) continue;
    const problems = [
      `the name ${name} stands for it, and it is not in ${store.location}; make that record again, or give verify the input repair: true, which removes the name`,
    ];
    walk.met.set(digest, { digest, kind: undefined, size: 0, blobs: [], links: [], problems });
  }
  return walk;
}

/** What cannot be read is told when it is visited. */
async function onlySources(store: Store, digests: Iterable<Digest>): Promise<Digest[]> {
  const sources: Digest[] = [];
  for (const digest of digests) {
    const found = await manifestIn(store, digest);
    if (kindOf(found?.artifactType) === 'source') sources.push(digest);
  }
  return sources;
}

function rank({ kind }: Met): number {
  const at = STAGES.indexOf(kind);
  return at === -1 ? STAGES.length : at;
}

function verdictOf(record: Met, found: ReadonlyMap<Digest, Found>): Verdict {
  const { digest, kind, role, blobs, size } = record;
  const broken = blobs.flatMap((blob, i) => {
    const name = blob.annotations?.[TITLE];
    const what = i === 0 ? 'configuration' : name === undefined ? 'layer' : `file ${name}`;
    const read = found.get(blob.digest);
    const wrong =
      read === undefined || 'problem' in read
        ? read?.problem
        : read.size !== blob.size && `has ${read.size} bytes, and the record says ${blob.size}`;
    return wrong ? [`its ${what} (${blob.digest}) ${wrong}; ${AGAIN[kind ?? 'member']}`] : [];
  });
  return {
    digest,
    kind,
    role,
    blobs: blobs.length,
    bytes: blobs.reduce((sum, blob) => sum + blob.size, size),
    problems: [...record.problems, ...broken],
  };
}
