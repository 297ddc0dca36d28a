import { Cursor } from './cursor.ts';
import { addValues, countOf, type Facts, type ModelFile, Unfit } from './format.ts';
import { FILE_TYPES, GGML_TYPES } from './gguf-types.ts';
import { decodeUtf8 } from './utf8.ts';

/** llama.cpp's own limits, or well above what any model has. */
const MOST = { entries: 65_536, tensors: 1_000_000, name: 65_535, text: 64 * 2 ** 20, dimensions: 4 };
/** Bytes of a metadata value by its type; texts (8) and lists (9) have none of their own. */
const WIDTHS = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];
const [UINT32, TEXT, LIST] = [4, 8, 9];

/**
 * Reads the header of a GGUF file, version 2 or 3: metadata, then tensors that lie one after the other, aligned, up to
 * the end of the file. @throws Unfit for anything else
 */
export async function readGguf(file: ModelFile): Promise<Facts> {
  const cursor = new Cursor(file);
  const magic = await cursor.take(Math.min(4, file.size));
  const version = magic.toString('latin1') === 'GGUF' ? await cursor.uint32() : undefined;
  if (version !== 2 && version !== 3)
    throw new Unfit(
      `is not GGUF in a version that is read here (2 or 3, little-endian)${version === undefined ? '' : `: it says ${version}`}; convert it with llama.cpp`,
    );
  const tensors = limited(await cursor.uint64(), MOST.tensors, 'tensors');
  const entries = limited(await cursor.uint64(), MOST.entries, 'metadata entries');
  if (tensors === 0) throw new Unfit('holds no tensor; convert the model again');
  const { architecture, fileType, alignment } = await readMetadata(cursor, entries);
  const values = new Map<string, number>();
  let parameters = 0;
  let next = 0;
  for (let i = 0; i < tensors; i++) {
    const tensor = await readTensor(cursor);
    if (tensor.offset !== next)
      throw new Unfit(
        `has a tensor ${tensor.name} at ${tensor.offset}, where ${next} is due: tensors lie one after the other; convert the model again`,
      );
    next = aligned(next + tensor.bytes, alignment);
    parameters += tensor.count;
    if (tensor.precision !== undefined) addValues(values, tensor.precision, tensor.count);
    if (i === tensors - 1)
      checkEnd(file, aligned(cursor.position, alignment), tensor.offset + tensor.bytes, next);
  }
  const quantization = fileType === undefined ? undefined : FILE_TYPES.get(fileType);
  return {
    format: 'gguf',
    parameters,
    values,
    ...(architecture !== undefined && { architecture }),
    ...(quantization !== undefined && { quantization }),
  };
}

interface Metadata {
  readonly architecture: string | undefined;
  readonly fileType: number | undefined;
  readonly alignment: number;
}

async function readMetadata(cursor: Cursor, entries: number): Promise<Metadata> {
  const keys = new Set<string>();
  let architecture: string | undefined;
  let fileType: number | undefined;
  let alignment = 32;
  for (let i = 0; i < entries; i++) {
    const key = await readText(cursor, MOST.name);
    if (keys.has(key))
      throw new Unfit(`has the metadata ${JSON.stringify(key)} twice; convert the model again`);
    keys.add(key);
    const type = await cursor.uint32();
    if (key === 'general.architecture' && type === TEXT) architecture = await readText(cursor, 256);
    else if (key === 'general.file_type' && type === UINT32) fileType = await cursor.uint32();
    else if (key === 'general.alignment' && type === UINT32) alignment = await cursor.uint32();
    else await skipValue(cursor, type, key);
  }
  if (alignment === 0 || alignment % 8 !== 0 || alignment > 2 ** 20)
    throw new Unfit(`has the alignment ${alignment}, and a multiple of 8 is due; convert the model again`);
  return { architecture, fileType, alignment };
}

async function skipValue(cursor: Cursor, type: number, key: string, depth = 0): Promise<void> {
  const width = WIDTHS[type];
  if (width !== undefined) return cursor.skip(width);
  if (type === TEXT) return cursor.skip(limited(await cursor.uint64(), MOST.text, `bytes in ${key}`));
  if (type !== LIST || depth > 3)
    throw new Unfit(
      `has metadata ${JSON.stringify(key)} of type ${type}, which is not known; convert it again`,
    );
  const of = await cursor.uint32();
  const count = limited(await cursor.uint64(), cursor.size, `values in ${key}`);
  const each = WIDTHS[of];
  if (each !== undefined) return cursor.skip(count * each);
  for (let i = 0; i < count; i++) await skipValue(cursor, of, key, depth + 1);
}

async function readTensor(cursor: Cursor) {
  const name = await readText(cursor, MOST.name);
  const dimensions = limited(await cursor.uint32(), MOST.dimensions, `dimensions in ${name}`);
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) shape.push(await cursor.uint64());
  const type = await cursor.uint32();
  const offset = await cursor.uint64();
  const [block, bytes, precision] = GGML_TYPES.get(type) ?? [];
  const [row = 1] = shape;
  if (block === undefined || bytes === undefined || row % block !== 0)
    throw new Unfit(
      `has a tensor ${name} of type ${type} with rows of ${row}, which is not known here; convert the model to another type`,
    );
  const count = countOf(shape, name);
  return { name, offset, count, bytes: (count / block) * bytes, precision };
}

/** Some writers fill up behind the last tensor, too. */
function checkEnd(file: ModelFile, begin: number, exact: number, filled: number): void {
  const rest = file.size - begin;
  if (rest === exact || rest === filled) return;
  throw new Unfit(
    `has ${rest} bytes behind its header, and its tensors need ${exact}; it is cut off, or something was added: convert the model again`,
  );
}

async function readText(cursor: Cursor, most: number): Promise<string> {
  const length = limited(await cursor.uint64(), most, 'bytes in a name');
  return decodeUtf8(await cursor.take(length), 'GGUF');
}

function limited(count: number, most: number, what: string): number {
  if (count <= most) return count;
  throw new Unfit(`says that it has ${count} ${what}, and at most ${most} are read; convert the model again`);
}

function aligned(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
