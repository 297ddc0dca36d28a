import { addValues, countOf, type Facts, type ModelFile, quoted, Unfit } from './format.ts';
import { parseJson } from './json-text.ts';
import { SAFETENSORS_TYPES } from './safetensors-types.ts';
import { decodeUtf8 } from './utf8.ts';

/** The reference implementation's limit, in bytes. */
const LARGEST_HEADER = 100_000_000;

/**
 * Reads the header of a safetensors file: its tensors lie one after the other, each as long as type and shape say, from
 * the end of the header to the end of the file. @throws Unfit for anything else
 */
export async function readSafetensors(file: ModelFile): Promise<Facts> {
  if (file.size < 10) throw new Unfit(`is not safetensors: it has ${file.size} bytes; write it again`);
  const length = (await file.peek(0, 8)).readBigUInt64LE();
  const most = BigInt(Math.min(LARGEST_HEADER, file.size - 8));
  if (length > most)
    throw new Unfit(
      `is not safetensors: it says that its header has ${length} bytes, and at most ${most} are possible; write it with save_file of the safetensors library`,
    );
  const header = await file.peek(8, Number(length));
  if (header[0] !== 0x7b) throw new Unfit('is not safetensors: its header is no JSON object; write it again');
  const tensors = Object.entries(
    objectOf(parseJson(decodeUtf8(header, 'safetensors'), 'a safetensors header')),
  );
  const values = new Map<string, number>();
  let parameters = 0;
  const spans = tensors
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => {
      const { dtype, shape, data_offsets: offsets } = objectOf(entry);
      const [bits, precision] = SAFETENSORS_TYPES.get(dtype) ?? [];
      if (bits === undefined || !Array.isArray(shape) || !Array.isArray(offsets))
        throw new Unfit(
          `has a tensor ${quoted(name)} of type ${JSON.stringify(dtype)} that no reader knows; types are ${[...SAFETENSORS_TYPES.keys()].join(', ')}`,
        );
      const count = countOf(shape, name);
      parameters += count;
      if (precision !== undefined && count > 0) addValues(values, precision, count);
      const [begin, end]: unknown[] = offsets;
      return { name, begin, end, bytes: (count * bits) / 8 };
    })
    .sort((a, b) => Number(a.begin) - Number(b.begin) || Number(a.end) - Number(b.end));
  if (spans.length === 0) throw new Unfit('holds no tensor; let the trainer save its weights');
  let next = 0;
  for (const { name, begin, end, bytes } of spans) {
    if (begin !== next || end !== next + bytes)
      throw new Unfit(
        `has a tensor ${quoted(name)} at bytes ${JSON.stringify(begin)} to ${JSON.stringify(end)}, where ${bytes} from ${next} on are due: tensors may neither overlap nor leave gaps; write it again`,
      );
    next = end;
  }
  const rest = file.size - 8 - header.length;
  if (next !== rest)
    throw new Unfit(
      `has ${rest} bytes behind its header, and its tensors need ${next}; it is cut off, or something was added: write it again`,
    );
  return { format: 'safetensors', parameters, values };
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new Unfit('is not safetensors: its header does not name tensors; write it again');
}
