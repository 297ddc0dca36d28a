import type { Digest } from '../lib/digest.ts';
import type { KindName } from '../records/kind.ts';
import { kinds } from '../records/kinds.ts';
import type { Manifest } from '../records/oci.ts';
import { packageFacts } from '../records/package.ts';

/** What a link of a record may lead to: a kind, of a Program also its role, or a member of an index. */
export type LinkTarget = KindName | 'trainer' | 'server' | 'member';

/** A record that another one stands on. */
export interface Link {
  readonly to: Digest;
  readonly as: readonly LinkTarget[];
  /** Of the manifest that it leads to, as the record says; undefined where it names a digest alone. */
  readonly size?: number;
  /** It may lie elsewhere: data in another store, or a folder of a machine. */
  readonly isOptional?: boolean;
}

/** What a record of each kind has as its subject. */
export const SUBJECTS: Readonly<Record<KindName, readonly LinkTarget[]>> = {
  program: [],
  data: [],
  checkpoint: [],
  source: ['program', 'release'],
  run: ['trainer'],
  package: ['run'],
  release: ['package'],
  deployment: ['release'],
};

/**
 * All that a record stands on, the data sets of trainers and Runs included; the Sources that explain it are not.
 * @param config as the kind's schema gave it, or undefined where it could not be read
 * @throws UserError for a Package without Trainyard's annotations
 */
export function linksOf(kind: KindName, manifest: Manifest, config: unknown): Link[] {
  const { subject } = manifest;
  const as = SUBJECTS[kind];
  const links: Link[] = subject === undefined ? [] : [{ to: subject.digest, size: subject.size, as }];
  for (const server of serversOf(kind, manifest, config)) links.push({ to: server, as: ['server'] });
  for (const data of dataOf(kind, config)) links.push({ to: data, as: ['data'], isOptional: true });
  return links;
}

/** A ModelPack that another tool made has the artifact type of a Package, and nothing else of one. */
export function isForeign(kind: KindName, { annotations, subject }: Manifest): boolean {
  const isOurs = Object.keys(annotations ?? {}).some((name) => name.startsWith('vnd.trainyard.'));
  return kind === 'package' && !isOurs && subject === undefined;
}

function serversOf(kind: KindName, manifest: Manifest, config: unknown): Digest[] {
  const { server } = kind === 'package' ? packageFacts(manifest) : {};
  const released = kind === 'release' ? kinds.release.schema.safeParse(config).data?.server : undefined;
  return [server, released].filter((digest) => digest !== undefined);
}

function dataOf(kind: KindName, config: unknown): Digest[] {
  if (kind === 'run') return Object.values(kinds.run.schema.safeParse(config).data?.data ?? {});
  if (kind !== 'program') return [];
  const { data } = kinds.program.schema.safeParse(config);
  return data?.role === 'trainer' ? Object.values(data.data).map(({ digest }) => digest) : [];
}
