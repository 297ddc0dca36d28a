import { type Digest, hexOf, isDigest } from '../../lib/digest.ts';
import { SHORT } from '../../records/cluster.ts';

/**
 * A release as it runs. Its first digits stand in the names and labels of its objects; started anew with other values of its
 * secrets, beside itself, it is another edition of the same release, by other names and labels.
 */
export interface Edition {
  readonly release: Digest;
  /** What stands in names and labels. */
  readonly short: string;
}

/** @param renewal which deploy starts the release anew; undefined for the first edition */
export function editionOf(release: Digest, renewal?: number): Edition {
  return { release, short: `${hexOf(release, SHORT)}${renewal === undefined ? '' : `-r${renewal}`}` };
}

/** Whether a label is that of an edition of a release. */
export function isEditionOf(short: string, release: Digest): boolean {
  const plain = hexOf(release, SHORT);
  return short === plain || (short.startsWith(`${plain}-r`) && /-r\d+$/.test(short));
}

/** Whether both are the same edition of the same release. */
export function isSame(one: Edition, other: Edition): boolean {
  return one.release === other.release && one.short === other.short;
}

/** An edition as a text: the digest, and what follows its first digits in names. */
export function editionText({ release, short }: Edition): string {
  return `${release}${short.slice(SHORT)}`;
}

/** Undefined for a text that names none. */
export function parseEdition(text: string): Edition | undefined {
  const [, release = '', renewal] = /^(.*?)(?:-r(\d+))?$/.exec(text) ?? [];
  if (!isDigest(release)) return undefined;
  return editionOf(release, renewal === undefined ? undefined : Number(renewal));
}
