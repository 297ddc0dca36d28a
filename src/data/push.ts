import { createReadStream } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Blob } from '../lib/digest.ts';
import { hexOf } from '../lib/digest.ts';
import { changedMeanwhile } from '../lib/file-state.ts';
import { inParallel } from '../lib/in-parallel.ts';
import type { Log } from '../lib/log.ts';
import { Meter } from '../lib/progress.ts';
import { Threads } from '../lib/threads.ts';
import {
  type DataConfig,
  type DataIndex,
  dataSet,
  FILE_LAYER,
  INDEX_LAYER,
  SHARD_LAYER,
} from '../records/data.ts';
import type { Stored } from '../records/kind.ts';
import type { Descriptor } from '../records/oci.ts';
import { layer, putRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { cut, type Part, shardsAtOnce } from './cut.ts';
import { largestTar, readPart } from './read-part.ts';
import { Memory } from './remember.ts';
import { type Scanned, scan } from './scan.ts';

export interface PushRequest {
  /** A file or a folder. */
  readonly path: string;
  readonly name: string;
}

export interface PushDeps {
  readonly store: Store;
  /** Where notes are kept that spare the next push the reading of what has not changed. */
  readonly notes: string;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface Pushed {
  readonly record: Stored<DataConfig>;
  /** How many layers there are, and how many of them the store did not have. */
  readonly layers: number;
  readonly written: number;
  /** Bytes of those. */
  readonly writtenBytes: number;
  /** How many layers had to be read. */
  readonly read: number;
}

/** Bytes that are sent at once. */
const PIECE = 2 ** 20;

/** A part as a layer, and what it took. */
interface Written {
  readonly part: Part;
  readonly blob: Blob;
  readonly wasRead: boolean;
  readonly wasThere: boolean;
}

/**
 * Makes a data set of a file or folder, and writes what the store does not have of it. The same files give the same digest.
 * @throws UserError for files that cannot be taken, or that change meanwhile
 */
export async function pushData({ path, name }: PushRequest, deps: PushDeps): Promise<Pushed> {
  const place = await realpath(path).catch(() => path);
  const memory = await Memory.of(deps.notes, place);
  const scanned = await scan(place);
  const parts =
    scanned.form === 'file' ? [{ kind: 'file' as const, files: scanned.files }] : cut(scanned.files);
  const written = await writeParts(scanned, parts, memory, deps, `data ${name}: packed`);
  await memory.save();
  const layers = written.map(({ part, blob }) => layerOf(part, blob));
  const index: DataIndex = {
    layers: written.map(({ part, blob }) => ({
      digest: blob.digest,
      files: part.files.map(({ path: file, size }) => [file, size]),
    })),
  };
  // Its keys are in order, so that this is its canonical form (RFC 8785), and in a tenth of the time.
  const indexBlob = await deps.store.write({ bytes: Buffer.from(JSON.stringify(index)) });
  const bytes = scanned.files.reduce((sum, { size }) => sum + size, 0);
  const config: DataConfig = { name, form: scanned.form, files: scanned.files.length, bytes };
  const record = await putRecord(deps.store, dataSet, {
    config,
    layers: [...layers, layer(INDEX_LAYER, indexBlob, 'trainyard/index.json')],
  });
  const fresh = written.filter(({ wasThere }) => !wasThere);
  return {
    record,
    layers: parts.length,
    written: fresh.length,
    writtenBytes: fresh.reduce((sum, { blob }) => sum + blob.size, 0),
    read: written.filter(({ wasRead }) => wasRead).length,
  };
}

async function writeParts(
  { root, files }: Scanned,
  parts: readonly Part[],
  memory: Memory,
  { store, log, signal }: PushDeps,
  what: string,
): Promise<Written[]> {
  const threads = new Threads(readPart);
  const progress = new Meter(log, what).start(files.reduce((sum, { size }) => sum + size, 0));
  const sizes = parts.map((part) => (part.kind === 'shard' ? largestTar(part.files) : 0));
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  const spare: SharedArrayBuffer[] = [];
  const writeOne = async (part: Part): Promise<Written> => {
    signal.throwIfAborted();
    const known = memory.recall(part);
    if (known !== undefined && (await store.has(known.digest))) {
      memory.note(part, known);
      return { part, blob: known, wasRead: false, wasThere: true };
    }
    const { kind } = part;
    const into = kind === 'shard' ? (spare.pop() ?? new SharedArrayBuffer(largest)) : undefined;
    try {
      const { hex, size, changed } = await threads.run({ root, kind, files: part.files, into });
      if (changed !== undefined) throw changedMeanwhile(join(root, changed));
      const blob: Blob = { digest: `sha256:${hex}`, size };
      const wasThere = await store.has(blob.digest);
      // The store verifies what it gets, or the registry does.
      if (!wasThere)
        await store.write(
          { open: opener(part, root, into && Buffer.from(into, 0, size)), size },
          blob.digest,
        );
      memory.note(part, blob);
      progress.moved(sizeOf(part));
      return { part, blob, wasRead: true, wasThere };
    } finally {
      if (into !== undefined) spare.push(into);
    }
  };
  try {
    return await inParallel(parts, shardsAtOnce(sizes), writeOne);
  } finally {
    progress.end();
    await threads.close();
  }
}

/** A shard is sent from memory, a large file from where it lies. */
function opener({ files: [first] }: Part, root: string, tar: Buffer | undefined) {
  const file = join(root, first?.path ?? '');
  return async (): Promise<Readable> =>
    tar === undefined ? createReadStream(file, { highWaterMark: PIECE }) : Readable.from(piecesOf(tar));
}

function* piecesOf(tar: Buffer): Generator<Buffer> {
  for (let at = 0; at < tar.length; at += PIECE) yield tar.subarray(at, at + PIECE);
}

function sizeOf({ files }: Part): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

function layerOf({ kind, files: [first] }: Part, blob: Blob): Descriptor {
  return kind === 'shard' || first === undefined
    ? layer(SHARD_LAYER, blob, `trainyard/shards/${hexOf(blob.digest, 12)}.tar`)
    : layer(FILE_LAYER, blob, first.path);
}
