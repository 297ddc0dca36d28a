import type { ArchiveLimits } from '../lib/archive/rules.ts';
import type { Manifest } from '../records/oci.ts';

/** Of an artifact that holds a record without its layers. Nothing that we upload is compressed. */
export const RECORD_LIMITS: ArchiveLimits = {
  entries: 16,
  bytes: 256 * 2 ** 20,
  fileBytes: 64 * 2 ** 20,
  ratio: 1,
};

/** Of an artifact that holds layers of this record. */
export function layerLimits({ layers }: Manifest): ArchiveLimits {
  const sizes = layers.map(({ size }) => size);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { entries: layers.length, bytes, fileBytes: Math.max(...sizes), ratio: 1 };
}

/** For people: when what lies in artifacts ends. */
export function retentionLimits(retentionDays: string | undefined): string {
  const end = new Date(Date.now() + Number(retentionDays ?? 90) * 86_400_000).toISOString().slice(0, 10);
  return (
    `artifact: keeps records for this workflow run only, and they end with its artifacts about ${end}` +
    `${retentionDays === undefined ? ', unless the repository sets another retention' : ` (${retentionDays} days)`}. ` +
    'Reuse, history, trace and rollback across runs need a store that outlives the run: a registry (oci://HOST/REPOSITORY), or a folder on a disk that all machines share.'
  );
}
