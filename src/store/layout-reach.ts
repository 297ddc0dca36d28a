import { z } from 'zod';
import type { Digest } from '../lib/digest.ts';
import { tryJson } from '../lib/json.ts';
import { digest } from '../records/oci.ts';

/** What leads from a manifest or an index to others, whichever tool wrote it. */
const leading = z.looseObject({
  subject: z.looseObject({ digest }).optional(),
  manifests: z.array(z.looseObject({ digest })).optional(),
});

/** Every digest that a manifest holds: of its configuration, layers and subject, and in its annotations. */
export function digestsIn(manifest: Uint8Array): Digest[] {
  return (
    Buffer.from(manifest)
      .toString('latin1')
      .match(/sha256:[0-9a-f]{64}/g)
      ?.map(asDigest) ?? []
  );
}

/**
 * Everything that manifests hold on to: what they list, and what their subjects and members list in turn. A digest that stands
 * anywhere in a manifest counts, so that no other tool's form has to be known.
 * @param read gives a manifest's bytes; what is not here holds on to nothing
 * @param isManifest of a digest that is only mentioned: whether it is to be followed, too
 */
export async function reachOf(
  roots: Iterable<Digest>,
  read: (digest: Digest) => Promise<Uint8Array | undefined>,
  isManifest: (digest: Digest) => boolean = () => false,
): Promise<Set<Digest>> {
  const reached = new Set<Digest>();
  const followed = new Set<Digest>();
  const ahead = [...roots];
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    if (followed.has(next)) continue;
    followed.add(next);
    reached.add(next);
    const bytes = await read(next);
    if (bytes === undefined) continue;
    for (const held of digestsIn(bytes)) {
      reached.add(held);
      if (isManifest(held)) ahead.push(held);
    }
    const { data } = leading.safeParse(tryJson(Buffer.from(bytes).toString('utf8')));
    if (data?.subject !== undefined) ahead.push(data.subject.digest);
    for (const member of data?.manifests ?? []) ahead.push(member.digest);
  }
  return reached;
}

function asDigest(text: string): Digest {
  return `sha256:${text.slice('sha256:'.length)}`;
}
