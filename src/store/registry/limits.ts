import { UserError } from '../../lib/errors.ts';
import { bytesText } from '../../lib/progress.ts';

interface Limits {
  readonly name: string;
  readonly layerBytes: number;
  /** What else people should know of this registry. */
  readonly note: string;
  /** Whether it says of a repository that is not there yet that it may not be read. */
  readonly hidesAbsent: boolean;
}

/** What registries refuse late, after the bytes were sent; their documentation says so. */
const KNOWN: Readonly<Record<string, Limits>> = {
  'ghcr.io': {
    name: 'GitHub’s registry',
    layerBytes: 10e9,
    note: 'ghcr.io takes files of up to 10 GB, and 10 minutes for each upload.',
    hidesAbsent: true,
  },
};

/** Manifests are read into memory by everyone; the OCI distribution specification asks registries to take 4 MiB of one. */
export const LARGEST_MANIFEST = 4 * 2 ** 20;

/** What people should know of a registry; undefined when there is nothing. */
export function noteOn(host: string): string | undefined {
  return KNOWN[host]?.note;
}

/** Whether "denied" may mean that nothing was written there yet. */
export function hidesAbsent(host: string): boolean {
  return KNOWN[host]?.hidesAbsent ?? false;
}

/** @throws UserError for a file that the registry would refuse after it was sent */
export function refuseTooLarge(host: string, size: number): void {
  const limits = KNOWN[host];
  if (limits === undefined || size <= limits.layerBytes) return;
  throw new UserError(
    `a file has ${bytesText(size)}, and ${limits.name} takes at most ${bytesText(limits.layerBytes)} in one. ` +
      'Let the trainer write the model in several files (save_pretrained: max_shard_size="5GB"), or use a registry without that limit as store',
  );
}

/** @throws UserError for a record that registries need not take */
export function refuseLargeManifest(size: number): void {
  if (size <= LARGEST_MANIFEST) return;
  throw new UserError(
    `a record of ${bytesText(size)} is more than registries take (4 MiB); it lists too many files. Write fewer, larger ones`,
  );
}
