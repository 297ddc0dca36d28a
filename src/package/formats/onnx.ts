import { BYTES } from '../../lib/protobuf.ts';
import { Cursor } from './cursor.ts';
import { addValues, type Facts, type ModelFile, type Part, Unfit } from './format.ts';
import { readTensor } from './onnx-tensor.ts';
import { eachField } from './protobuf.ts';

type Message = 'model' | 'graph' | 'node' | 'attribute' | 'sparse' | 'training' | 'function' | 'tensor';

/** Where tensors can lie: the messages in each message of onnx.proto, by field. */
const INSIDE: Readonly<Record<Message, ReadonlyMap<number, Message>>> = {
  model: new Map([
    [7, 'graph'],
    [20, 'training'],
    [25, 'function'],
  ]),
  graph: new Map([
    [1, 'node'],
    [5, 'tensor'],
    [15, 'sparse'],
  ]),
  node: new Map([[5, 'attribute']]),
  attribute: new Map([
    [5, 'tensor'],
    [6, 'graph'],
    [10, 'tensor'],
    [11, 'graph'],
    [22, 'sparse'],
    [23, 'sparse'],
  ]),
  sparse: new Map([
    [1, 'tensor'],
    [2, 'tensor'],
  ]),
  training: new Map([
    [1, 'graph'],
    [2, 'graph'],
  ]),
  function: new Map([
    [7, 'node'],
    [11, 'attribute'],
  ]),
  tensor: new Map(),
};
const [IR_VERSION, GRAPH, OPSET] = [1, 7, 8];
/** What protobuf reads at all, in bytes. */
const LARGEST = 2 ** 31 - 1;
const DEEPEST = 50;
const MOST_PARTS = 1_000_000;

/**
 * Reads an ONNX model without its weights: every tensor's type, shape and place. It must begin with its version as every
 * serialiser writes it, so that it can be read as nothing else. @throws Unfit
 */
export async function readOnnx(file: ModelFile): Promise<Facts> {
  if (file.size > LARGEST)
    throw new Unfit('is larger than 2 GiB, which no reader of ONNX takes; export it with external data');
  const cursor = new Cursor(file);
  const [first] = await cursor.ahead(1);
  if (first !== IR_VERSION * 8)
    throw new Unfit('is not ONNX: it does not begin with a version of ONNX; export it again');
  const values = new Map<string, number>();
  const parts: Part[] = [];
  const seen = new Set<number>();
  let parameters = 0;
  const walk = async (message: Message, end: number, depth: number): Promise<void> => {
    if (depth > DEEPEST) throw new Unfit(`has graphs nested more than ${DEEPEST} deep; export it again`);
    if (message === 'tensor') {
      const { count, precision, isWeight, part } = await readTensor(cursor, end);
      if (part !== undefined) parts.push(part);
      if (parts.length > MOST_PARTS)
        throw new Unfit(`keeps more than ${MOST_PARTS} tensors in other files; export it again`);
      if (!isWeight || count === 0) return;
      parameters += count;
      if (precision !== undefined) addValues(values, precision, count);
      return;
    }
    const inside = INSIDE[message];
    await eachField(cursor, end, (field) => {
      if (message === 'model' && (field.number === GRAPH || field.number === OPSET)) seen.add(field.number);
      const inner = field.wire === BYTES ? inside.get(field.number) : undefined;
      return inner && walk(inner, field.end, depth + 1);
    });
  };
  await walk('model', file.size, 0);
  if (!seen.has(GRAPH) || !seen.has(OPSET))
    throw new Unfit('is not a whole ONNX model: it has no graph or names no operator set; export it again');
  return { format: 'onnx', parts, values, ...(parameters > 0 && { parameters }) };
}
