import { type Digest, hexOf } from '../lib/digest.ts';

/**
 * The names of a run's artifacts say enough to find a record without a download: `trainyard.TAG.of-SUBJECT` holds the
 * record, `trainyard.TAG.layers` its layers; SUBJECT is the first twelve digits of the parent's digest. The tag of a
 * record ends in twelve digits of its own. A number at the end (`.2`) stands for a name that was taken. Names are hints:
 * what is inside is verified by its digest.
 */
export interface ArtifactName {
  readonly tag: string;
  readonly holds: 'record' | 'layers';
  /** The first twelve digits of the subject's digest. */
  readonly subject?: string | undefined;
}

/** The name of the artifact that holds a record, without its layers. */
export function recordName(tag: string, subject: Digest | undefined): string {
  return subject === undefined ? `trainyard.${tag}` : `trainyard.${tag}.of-${hexOf(subject, 12)}`;
}

/** The name of the artifact that holds the layers of a record. */
export function layersName(tag: string): string {
  return `trainyard.${tag}.layers`;
}

/** A name that was found, or undefined when it is not one of ours. */
export function parseArtifactName(name: string): ArtifactName | undefined {
  const parts = /^trainyard\.(.+?)(?:\.of-([0-9a-f]{12})|(\.layers))?(?:\.\d+)?$/.exec(name);
  if (parts?.[1] === undefined) return undefined;
  return { tag: parts[1], holds: parts[3] === undefined ? 'record' : 'layers', subject: parts[2] };
}
