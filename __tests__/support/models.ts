/** Files of models, whole or hostile, as the tools that write them would. */
import { crc32 } from 'node:zlib';

/** A length or a number as protobuf writes it. */
function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let left = BigInt(value);
  do {
    bytes.push(Number(left & 0x7fn) | (left > 0x7fn ? 0x80 : 0));
    left >>= 7n;
  } while (left > 0n);
  return Buffer.from(bytes);
}

/** A field of a protobuf message: a number, or what has a length. */
export function field(number: number, value: number | string | Buffer): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number * 8), varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

export interface OnnxWeight {
  readonly name: string;
  readonly dims: readonly number[];
  /** 1 is float32. */
  readonly type?: number;
  /** Zeros unless given; none where the data lies in another file. */
  readonly raw?: Buffer;
  readonly external?: Readonly<Record<string, string>>;
}

function tensor({ name, dims, type = 1, raw, external }: OnnxWeight): Buffer {
  const count = dims.reduce((all, one) => all * one, 1);
  const entries = Object.entries(external ?? {});
  return Buffer.concat([
    ...dims.map((dim) => field(1, dim)),
    field(2, type),
    field(8, name),
    ...(external === undefined ? [field(9, raw ?? Buffer.alloc(count * 4))] : []),
    ...entries.map(([key, value]) => field(13, Buffer.concat([field(1, key), field(2, value)]))),
    ...(external === undefined ? [] : [field(14, 1)]),
  ]);
}

/** An ONNX model with one node and these initializers; those of `inside` lie in the node's attributes. */
export function onnx({
  weights = [],
  inside = [],
}: {
  weights?: readonly OnnxWeight[];
  inside?: readonly OnnxWeight[];
}): Buffer {
  const attributes = inside.map((weight) =>
    field(5, Buffer.concat([field(1, 'value'), field(5, tensor(weight))])),
  );
  const node = Buffer.concat([field(1, 'x'), field(2, 'y'), field(4, 'Identity'), ...attributes]);
  const graph = [field(1, node), field(2, 'toy'), ...weights.map((weight) => field(5, tensor(weight)))];
  const opset = Buffer.concat([field(1, ''), field(2, 17)]);
  return Buffer.concat([field(1, 8), field(2, 'toy'), field(7, Buffer.concat(graph)), field(8, opset)]);
}

/** Anything behind the eight bytes of a safetensors header's length, which is that of the header unless given. */
export function safetensorsOf(header: string, data: Buffer | number = 0, length?: bigint): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length ?? BigInt(Buffer.byteLength(header)));
  return Buffer.concat([size, Buffer.from(header), typeof data === 'number' ? Buffer.alloc(data) : data]);
}

/** A whole safetensors file of float32 tensors with these shapes. */
export function safetensors(shapes: Readonly<Record<string, readonly number[]>>): Buffer {
  let end = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const begin = end;
    end += shape.reduce((all, one) => all * one, 4);
    return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }];
  });
  return safetensorsOf(JSON.stringify(Object.fromEntries(entries)), end);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  return Buffer.concat([uint64(Buffer.byteLength(value)), Buffer.from(value)]);
}

export interface GgufParts {
  readonly version?: number;
  readonly tensors?: number | bigint;
  readonly entries?: number | bigint;
  /** Behind the counts, instead of what a whole file has. */
  readonly body?: Buffer;
}

/** A GGUF file of a llama in Q4_K_M with 512 weights: 256 in Q4_K and 256 in F32. Other parts make it a broken one. */
export function gguf({ version = 3, tensors = 2, entries = 4, body }: GgufParts = {}): Buffer {
  const words = Buffer.concat([uint32(9), uint32(8), uint64(2), text('a'), text('b')]);
  const info = (name: string, type: number, offset: number): Buffer =>
    Buffer.concat([text(name), uint32(1), uint64(256), uint32(type), uint64(offset)]);
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(version),
    uint64(tensors),
    uint64(entries),
    body ??
      Buffer.concat([
        Buffer.concat([text('general.architecture'), uint32(8), text('llama')]),
        Buffer.concat([text('general.file_type'), uint32(4), uint32(15)]),
        Buffer.concat([text('general.alignment'), uint32(4), uint32(64)]),
        Buffer.concat([text('tokenizer.ggml.tokens'), words]),
        info('a', 12, 0),
        info('b', 0, 192),
      ]),
  ]);
  if (body !== undefined) return header;
  const filled = Buffer.alloc(Math.ceil(header.length / 64) * 64 + 192 + 1024);
  header.copy(filled);
  return filled;
}

/** Pickles, as Python's `pickle` writes them. */
export const PICKLES = {
  /** `{'a': 1}`, protocol 4. */
  harmless: Buffer.from('\x80\x04\x95\x0a\0\0\0\0\0\0\0}\x94\x8c\x01a\x94K\x01s.', 'latin1'),
  /** `os.system('true')`, protocols 0 and 4. */
  text: Buffer.from("cposix\nsystem\n(S'true'\ntR.", 'latin1'),
  binary: Buffer.from(
    '\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.',
    'latin1',
  ),
  /** A way to the same by names that no list of dangerous ones has. */
  roundabout: Buffer.from(
    '\x80\x04cinspect\ngetattr_static\n(cimportlib\nimport_module\n(X\x02\0\0\0ostRX\x06\0\0\0systemtR(X\x04\0\0\0truetR.',
    'latin1',
  ),
  /** An OrderedDict of one tensor, as `torch.save` writes a state_dict. */
  tensors: Buffer.from(
    '\x80\x02ccollections\nOrderedDict\nq\0)Rq\x01X\x01\0\0\0wq\x02ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\0\0\0storageq\x04ctorch\nFloatStorage\nq\x05X\x01\0\0\x000q\x06X\x03\0\0\0cpuq\x07K\x02tq\x08QK\0K\x02\x85q\x09K\x01\x85q\x0a\x89h\0)Rq\x0btq\x0cRq\x0ds.',
    'latin1',
  ),
} as const;

/** A ZIP archive of uncompressed entries. `damaged`: the checksums are wrong. */
export function zip(entries: Readonly<Record<string, Buffer | string>>, damaged = false): Buffer {
  const files: Buffer[] = [];
  const list: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(entries)) {
    const data = Buffer.from(content);
    const sizes = Buffer.alloc(16);
    sizes.writeUInt32LE(damaged ? 1 : crc32(data), 0);
    sizes.writeUInt32LE(data.length, 4);
    sizes.writeUInt32LE(data.length, 8);
    sizes.writeUInt16LE(Buffer.byteLength(name), 12);
    const fixed = Buffer.concat([Buffer.from([20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]), sizes]);
    const file = Buffer.concat([Buffer.from('PK\x03\x04'), fixed, Buffer.from(name), data]);
    list.push(
      Buffer.concat([
        Buffer.from('PK\x01\x02\x14\0', 'latin1'),
        fixed,
        Buffer.alloc(10),
        uint32(offset),
        Buffer.from(name),
      ]),
    );
    files.push(file);
    offset += file.length;
  }
  const directory = Buffer.concat(list);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(list.length, 8);
  end.writeUInt16LE(list.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...files, directory, end]);
}

/** What `torch.save` writes around a pickle. */
export function torchFile(pickle: Buffer, more: Readonly<Record<string, Buffer | string>> = {}): Buffer {
  return zip({
    'archive/data.pkl': pickle,
    'archive/byteorder': 'little',
    'archive/data/0': Buffer.alloc(8),
    'archive/version': '3\n',
    ...more,
  });
}
