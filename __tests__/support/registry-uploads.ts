/** Uploads of blobs: in one POST, POST and PUT, in chunks, and by mount. An upload is a file; its size is how far it is. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open as openFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { partsOf, verify } from './registry-disk.ts';
import type { Call, Handler, Place } from './registry-options.ts';
import { RegistryError, type Reply, reply } from './registry-reply.ts';

export type UploadOperation =
  | 'startUpload'
  | 'mountBlob'
  | 'patchUpload'
  | 'putUpload'
  | 'getUpload'
  | 'cancelUpload';

export function uploadHandlers({ disk, can, locate }: Place): Readonly<Record<UploadOperation, Handler>> {
  /** Uploads that a chunk below the minimum has ended. */
  const ended = new Set<string>();
  const queues = new Map<string, Promise<unknown>>();

  /** One request after the other for each upload: what a lost connection brought is on disk before the next one looks. */
  function inTurn(work: (call: Call) => Promise<Reply>): Handler {
    return (call) => {
      const turn = (queues.get(call.reference) ?? Promise.resolve()).then(() => work(call));
      const done = turn.then(
        () => undefined,
        () => undefined,
      );
      queues.set(call.reference, done);
      return turn;
    };
  }

  function placeOf(repository: string, id: string): string {
    return locate(`/v2/${repository}/blobs/uploads/${id}?_state=${stateOf(id)}`);
  }

  /** Where an upload is: `0-0` also while it is empty, as distribution has it. */
  async function stateHeaders({ repository, reference }: Call): Promise<Record<string, string>> {
    const { size } = await stat(disk.uploadPath(repository, reference));
    return {
      location: placeOf(repository, reference),
      range: `0-${Math.max(0, size - 1)}`,
      'docker-upload-uuid': reference,
    };
  }

  async function open(repository: string): Promise<Reply> {
    const id = randomUUID();
    await mkdir(dirname(disk.uploadPath(repository, id)), { recursive: true });
    await writeFile(disk.uploadPath(repository, id), '');
    return reply(202, {
      location: placeOf(repository, id),
      range: '0-0',
      'docker-upload-uuid': id,
      ...(can.minChunk > 0 && { 'oci-chunk-min-length': can.minChunk }),
    });
  }

  /** The size of an upload; its URL must be the one that was given out. */
  async function sizeOf({ repository, reference, query }: Call): Promise<number> {
    const file = await stat(disk.uploadPath(repository, reference)).catch(() => undefined);
    if (file === undefined || query.get('_state') !== stateOf(reference))
      throw new RegistryError(404, 'BLOB_UPLOAD_UNKNOWN', 'no upload has this URL');
    return file.size;
  }

  /** Adds the body to an upload. */
  async function append(call: Call, size: number): Promise<void> {
    const { repository, reference } = call;
    const length = call.header('content-length');
    if (Number(length ?? 0) > can.maxBody) throw tooLarge(can.maxBody);
    const range = call.header('content-range');
    const [, from = '', to = ''] = /^(?:bytes )?(\d+)-(\d+)(?:\/.*)?$/.exec(range ?? '') ?? [];
    if (range !== undefined && Number(from) !== size) {
      const message = `${size} bytes are there, and the chunk is ${range}`;
      throw new RegistryError(416, 'BLOB_UPLOAD_INVALID', message, await stateHeaders(call));
    }
    if (range !== undefined && length !== undefined && Number(length) !== Number(to) - Number(from) + 1)
      throw new RegistryError(400, 'SIZE_INVALID', `${length} bytes can't be the chunk ${range}`);
    const file = disk.uploadPath(repository, reference);
    // Piece by piece and not through a stream: when the body ends too early, what came before is to be there.
    const handle = await openFile(file, 'a');
    try {
      for await (const chunk of call.body()) await handle.write(chunk);
    } catch (error) {
      if (can.partialChunks === 'dropped') await handle.truncate(size);
      throw error;
    } finally {
      await handle.close();
    }
  }

  async function finish(call: Call): Promise<Reply> {
    const { repository, reference, query } = call;
    const digest = query.get('digest') ?? '';
    const file = disk.uploadPath(repository, reference);
    partsOf(digest);
    try {
      await verify(file, digest);
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
    await disk.adopt(repository, digest, file);
    return created(repository, digest);
  }

  function created(repository: string, digest: string): Reply {
    const location = locate(`/v2/${repository}/blobs/${digest}`);
    return reply(201, { location, 'docker-content-digest': digest });
  }

  return {
    async startUpload(call) {
      if (!call.query.has('digest') || !can.monolithicPost) return open(call.repository);
      partsOf(call.query.get('digest') ?? '');
      const upload = { ...call, reference: randomUUID() };
      await mkdir(dirname(disk.uploadPath(call.repository, upload.reference)), { recursive: true });
      try {
        await append(upload, 0);
        return await finish(upload);
      } finally {
        await rm(disk.uploadPath(call.repository, upload.reference), { force: true });
      }
    },

    async mountBlob({ repository, query }) {
      const digest = query.get('mount') ?? '';
      const source = query.get('from') ?? '';
      partsOf(digest);
      if (!can.mounts || source === '' || (await disk.sizeOf(source, digest)) === undefined)
        return open(repository);
      await disk.link(repository, digest);
      return created(repository, digest);
    },

    patchUpload: inTurn(async (call) => {
      if (!can.chunks) throw new RegistryError(405, 'UNSUPPORTED', 'this registry takes no chunks');
      const before = await sizeOf(call);
      if (ended.has(call.reference))
        throw new RegistryError(400, 'SIZE_INVALID', `chunks have ${can.minChunk} bytes or more`);
      await append(call, before);
      if ((await sizeOf(call)) - before < can.minChunk) ended.add(call.reference);
      return reply(202, await stateHeaders(call));
    }),

    putUpload: inTurn(async (call) => {
      await append(call, await sizeOf(call));
      return finish(call);
    }),

    getUpload: inTurn(async (call) => {
      await sizeOf(call);
      return reply(204, await stateHeaders(call));
    }),

    cancelUpload: inTurn(async (call) => {
      await sizeOf(call);
      await rm(disk.uploadPath(call.repository, call.reference));
      return reply(204);
    }),
  };
}

/** A part of the URL that only the registry can know, as others have it: whoever makes the URL himself is refused. */
function stateOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url').slice(0, 12);
}

function tooLarge(limit: number): RegistryError {
  return new RegistryError(413, 'SIZE_INVALID', `a request may bring ${limit} bytes`);
}
