/** Blobs, manifests, tags and referrers of a registry. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isDigest, type Manifest, partsOf } from './registry-disk.ts';
import type { Handler, Place } from './registry-options.ts';
import { RegistryError, reply, replyFile, replyJson } from './registry-reply.ts';
import type { Operation } from './registry-routes.ts';
import type { UploadOperation } from './registry-uploads.ts';

const Descriptor = z.looseObject({
  mediaType: z.string(),
  digest: z.string(),
  size: z.int().nonnegative(),
  urls: z.array(z.string()).optional(),
});
const Content = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: Descriptor.optional(),
  layers: z.array(Descriptor).optional(),
  manifests: z.array(Descriptor).optional(),
  subject: Descriptor.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
type Content = z.output<typeof Content>;

type ContentOperation = Exclude<Operation, UploadOperation | 'token' | 'getRedirected'>;

export function contentHandlers({ disk, can, locate }: Place): Readonly<Record<ContentOperation, Handler>> {
  /** What manifests say, by digest: they never change. */
  const contents = new Map<string, Content>();

  const getBlob: Handler = async ({ repository, reference, header }) => {
    partsOf(reference);
    const size = await disk.sizeOf(repository, reference);
    if (size === undefined) throw new RegistryError(404, 'BLOB_UNKNOWN', `${repository} has no ${reference}`);
    return replyFile(disk.blobPath(reference), size, can.ranges ? header('range') : undefined, {
      'content-type': 'application/octet-stream',
      'docker-content-digest': reference,
      ...(can.ranges && { 'accept-ranges': 'bytes' }),
    });
  };

  const getManifest: Handler = async ({ repository, reference, header }) => {
    const { digest, mediaType, bytes } = await find(repository, reference);
    const accept = header('accept') ?? '*/*';
    if (!accept.includes(mediaType) && !accept.includes('*/*'))
      throw new RegistryError(
        404,
        'MANIFEST_UNKNOWN',
        `${mediaType} is there, and the request does not accept it`,
      );
    return reply(
      200,
      { 'content-type': mediaType, 'docker-content-digest': digest, etag: `"${digest}"` },
      bytes,
    );
  };

  async function find(repository: string, reference: string): Promise<Manifest & { digest: string }> {
    const digest = isDigest(reference) ? reference : await disk.getTag(repository, reference);
    const manifest = digest === undefined ? undefined : await disk.getManifest(repository, digest);
    if (digest === undefined || manifest === undefined)
      throw new RegistryError(404, 'MANIFEST_UNKNOWN', `${repository} has no manifest ${reference}`);
    return { digest, ...manifest };
  }

  /** Refuses a manifest that names what is not there. A subject may come later, and layers with URLs lie elsewhere. */
  async function checkParts(
    repository: string,
    { config, layers = [], manifests = [] }: Content,
  ): Promise<void> {
    for (const { digest, urls = [] } of [...(config ? [config] : []), ...layers]) {
      if (urls.length === 0 && (await disk.sizeOf(repository, digest)) === undefined)
        throw new RegistryError(400, 'MANIFEST_BLOB_UNKNOWN', `the blob ${digest} is not there`);
    }
    for (const { digest } of manifests) {
      if ((await disk.getManifest(repository, digest)) === undefined)
        throw new RegistryError(400, 'MANIFEST_BLOB_UNKNOWN', `the manifest ${digest} is not there`);
    }
  }

  async function referrersOf(repository: string, subject: string): Promise<object[]> {
    const found: object[] = [];
    for (const digest of await disk.manifests(repository)) {
      const manifest = await disk.getManifest(repository, digest);
      if (manifest === undefined) continue;
      const content = contents.get(digest) ?? parse(manifest.bytes);
      contents.set(digest, content);
      if (content.subject?.digest !== subject) continue;
      const { mediaType, bytes } = manifest;
      const artifactType = content.artifactType ?? content.config?.mediaType;
      const { annotations } = content;
      found.push({ mediaType, digest, size: bytes.length, artifactType, annotations });
    }
    return found;
  }

  return {
    ping: async () => replyJson({}),
    getBlob,
    headBlob: getBlob,
    getManifest,
    headManifest: getManifest,

    async deleteBlob({ repository, reference }) {
      if (!can.deletes) throw notDeleted();
      partsOf(reference);
      if ((await disk.sizeOf(repository, reference)) === undefined)
        throw new RegistryError(404, 'BLOB_UNKNOWN', `${repository} has no ${reference}`);
      await disk.unlink(repository, reference);
      return reply(202);
    },

    async putManifest({ repository, reference, header, body }) {
      const bytes = await gather(body(), can.maxManifest);
      const content = parse(bytes);
      const mediaType = header('content-type') ?? content.mediaType ?? '';
      if (content.mediaType !== undefined && content.mediaType !== mediaType)
        throw new RegistryError(
          400,
          'MANIFEST_INVALID',
          `${mediaType} was sent, and says ${content.mediaType}`,
        );
      const [algorithm] = isDigest(reference) ? partsOf(reference) : ['sha256'];
      const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
      if (isDigest(reference) && digest !== reference)
        throw new RegistryError(400, 'DIGEST_INVALID', `the manifest is ${digest}, not ${reference}`);
      if (!isDigest(reference) && !/^\w[\w.-]{0,127}$/.test(reference))
        throw new RegistryError(400, 'MANIFEST_INVALID', `${reference} is no tag`);
      await checkParts(repository, content);
      await disk.putManifest(repository, digest, { mediaType, bytes });
      if (!isDigest(reference)) await disk.setTag(repository, reference, digest);
      return reply(201, {
        location: locate(`/v2/${repository}/manifests/${digest}`),
        'docker-content-digest': digest,
        ...(can.referrers && content.subject && { 'oci-subject': content.subject.digest }),
      });
    },

    async deleteManifest({ repository, reference }) {
      if (!can.deletes) throw notDeleted();
      const { digest } = await find(repository, reference);
      if (isDigest(reference)) await disk.deleteManifest(repository, digest);
      else await disk.deleteTag(repository, reference);
      return reply(202);
    },

    async listTags({ repository, query }) {
      if (!disk.hasRepository(repository))
        throw new RegistryError(404, 'NAME_UNKNOWN', `there is no repository ${repository}`);
      const last = query.get('last') ?? '';
      const after = (await disk.tags(repository)).filter((tag) => tag > last);
      const tags = after.slice(0, Math.min(Number(query.get('n') ?? after.length), can.pageSize));
      const more = tags.length > 0 && tags.length < after.length;
      const next = new URLSearchParams({ n: String(tags.length), last: tags.at(-1) ?? '' });
      return replyJson({ name: repository, tags }, more ? link(`/v2/${repository}/tags/list?${next}`) : {});
    },

    async listReferrers({ repository, reference, query }) {
      if (!can.referrers) throw new RegistryError(404, 'UNSUPPORTED', 'no referrers API');
      partsOf(reference);
      const type = query.get('artifactType');
      const all = (await referrersOf(repository, reference)).filter(
        (found) => type === null || ('artifactType' in found && found.artifactType === type),
      );
      const from = Number(query.get('from') ?? 0);
      const manifests = all.slice(from, from + can.pageSize);
      const next = new URLSearchParams({
        ...(type !== null && { artifactType: type }),
        from: `${from + manifests.length}`,
      });
      const more = from + manifests.length < all.length;
      return replyJson(
        { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests },
        {
          'content-type': 'application/vnd.oci.image.index.v1+json',
          ...(type !== null && { 'oci-filters-applied': 'artifactType' }),
          ...(more && link(`/v2/${repository}/referrers/${reference}?${next}`)),
        },
      );
    },
  };
}

/** Where the next page is: always a path, which clients must resolve. */
function link(path: string): Record<string, string> {
  return { link: `<${path}>; rel="next"` };
}

function notDeleted(): RegistryError {
  return new RegistryError(405, 'UNSUPPORTED', 'this registry deletes nothing');
}

function parse(bytes: Buffer): Content {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    throw new RegistryError(400, 'MANIFEST_INVALID', 'the manifest is not JSON');
  }
  const parsed = Content.safeParse(value);
  if (!parsed.success) throw new RegistryError(400, 'MANIFEST_INVALID', z.prettifyError(parsed.error));
  return parsed.data;
}

async function gather(body: AsyncIterable<Buffer>, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) throw new RegistryError(413, 'SIZE_INVALID', `a manifest may have ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
