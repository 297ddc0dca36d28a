import { Cursor } from './cursor.ts';
import { addValues, countOf, type Facts, type ModelFile, quoted, Unfit } from './format.ts';
import { limited, readMetadata, readName } from './gguf-metadata.ts';
import { FILE_TYPES, GGML_TYPES } from './gguf-types.ts';

/** Dimensions as llama.cpp's own limit, tensors well above what any model has. */
const MOST = { tensors: 1_000_000, dimensions: 4 };

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
  const entries = await cursor.uint64();
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

async function readTensor(cursor: Cursor) {
  const name = quoted(await readName(cursor));
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

function aligned(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
