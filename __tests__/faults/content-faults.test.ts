/** Faults 16 to 20, 22, 23 and 25: what a run may have written that no package takes, whatever it is named. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { modelPackage } from '../../src/records/package.ts';
import { getRecord, readBytes } from '../../src/store/records.ts';
import { onnx, PICKLES, safetensors, safetensorsOf, torchFile, zip } from '../support/models.ts';
import { GOLDEN } from '../support/runs.ts';
import { digestIn, openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterEach(() => shop.reset());
afterAll(() => shop.remove());

type Outputs = Readonly<Record<string, string | Buffer>>;
/** Files of a run, and what is said of each. */
type Cases = Readonly<Record<string, readonly [content: string | Buffer, said: RegExp]>>;

/** Packages a run of these outputs, of which those that are listed are the model. */
async function pack(outputs: Outputs, listed = Object.keys(outputs)) {
  await shop.repository.edit('trainyard.yml', /files: \[[^\]]*\]/, `files: ${JSON.stringify(listed)}`);
  const built = await shop.build();
  const { digest } = await shop.train(built, { outputs: { 'golden.jsonl': GOLDEN, ...outputs } });
  return shop.package(built, digest);
}

/** Packs what is refused: all of it is told at once, and the store stays empty. Then good files are packaged without help. */
async function refused(
  cases: Cases,
  good: Outputs,
  { listed = {}, unlisted = {} }: { listed?: Outputs; unlisted?: Outputs } = {},
): Promise<void> {
  const entries = Object.entries(cases);
  const bad = Object.fromEntries(entries.map(([path, [content]]) => [path, content]));
  const all = pack({ ...bad, ...listed, ...unlisted }, Object.keys({ ...bad, ...listed }));
  const told = (await refusalOf(all)).split('\n  - ');
  const found = entries.map(([path]) => [path, told.find((line) => line.includes(`: ${path} `))]);
  expect(found).toEqual(entries.map(([path, [, said]]) => [path, expect.stringMatching(said)]));
  expect(told[0]).toMatch(/^the model cannot be packaged \(a package takes safetensors, GGUF, ONNX with/);
  expect([...(await shop.store.names('')).keys()]).toEqual([]);
  const digest = digestIn((await pack(good)).outputs, 'package');
  const { manifest } = await getRecord(shop.store, modelPackage, digest);
  for (const layer of manifest.layers) await readBytes(shop.store, layer.digest);
}

const SAFETENSORS = { 'model.safetensors': safetensors({ w: [2, 2] }) };
const ONNX = { 'model.onnx': onnx({ weights: [{ name: 'w', dims: [2] }] }) };

test('fault 16: a pickle of protocol 0, which has no magic number, is refused under any name', async () => {
  const said =
    /is a pickle, and loading it runs the code in it; export safetensors or ONNX, or write allow: \[pickle\] under model/;
  const names = ['model.bin', 'model.onnx', 'model.txt', 'model.gguf', 'model'];
  await refused(Object.fromEntries(names.map((name) => [name, [PICKLES.text, said]])), SAFETENSORS);
});

test('fault 17: a pickle under the name of safe weights is refused', async () => {
  const said = /is a pickle, and loading it runs the code in it/;
  const names = ['model.safetensors', 'model.onnx', 'model.gguf', 'tokenizer.model'];
  await refused(Object.fromEntries(names.map((name) => [name, [PICKLES.binary, said]])), SAFETENSORS);
});

test('fault 18: a safetensors header of impossible length is refused', async () => {
  const header = (length: bigint) => safetensorsOf('{}', 29, length);
  await refused(
    {
      'huge.safetensors': [
        header(2n ** 62n),
        /has 4611686018427387904 bytes, and at most 31 are possible; write it/,
      ],
      'long.safetensors': [header(32n), /its header has 32 bytes, and at most 31 are possible/],
      'above.safetensors': [
        header(101_000_000n),
        /its header has 101000000 bytes, and at most 31 are possible/,
      ],
    },
    SAFETENSORS,
  );
});

test('fault 19: safetensors whose tensors and bytes do not fit are refused', async () => {
  const entry = (more: object = {}) => ({ dtype: 'F32', shape: [2], data_offsets: [0, 8], ...more });
  const file = (tensors: object, bytes: number) => safetensorsOf(JSON.stringify(tensors), bytes);
  const twice = `{"w":1,"w":${JSON.stringify(entry())}}`;
  await refused(
    {
      'overlap.safetensors': [
        file({ v: entry(), w: entry() }, 8),
        /tensors may neither overlap nor leave gaps; write it again/,
      ],
      'gap.safetensors': [
        file({ w: entry({ data_offsets: [4, 12] }) }, 12),
        /"w" at bytes 4 to 12, where 8 from 0 on are due/,
      ],
      'beyond.safetensors': [
        file({ w: entry() }, 4),
        /has 4 bytes behind its header, and its tensors need 8; it is cut off/,
      ],
      'more.safetensors': [file({ w: entry() }, 9), /or something was added: write it again/],
      'twice.safetensors': [safetensorsOf(twice, 8), /has the key "w" twice in one object; keep one of them/],
      'shape.safetensors': [file({ w: entry({ shape: [3] }) }, 8), /where 12 from 0 on are due/],
    },
    SAFETENSORS,
  );
});

test('fault 20: archives, which may hold pickles, are refused', async () => {
  await refused(
    {
      'model.pt': [
        torchFile(PICKLES.tensors),
        /is a ZIP archive, as PyTorch, NumPy and Keras write around pickles and code; export/,
      ],
      'arrays.npz': [zip({ 'a.npy': 'x' }), /is a ZIP archive/],
      'model.safetensors': [torchFile(PICKLES.binary), /is a ZIP archive/],
      'nested.bin': [zip({ 'inner.pt': torchFile(PICKLES.binary) }), /is a ZIP archive/],
      'model.7z': [
        Buffer.from('7z\xbc\xaf\x27\x1c', 'latin1'),
        /is a 7z archive; list the files themselves in model\.files/,
      ],
      'model.tar': [Buffer.from('ustar'.padStart(262, '\0')), /is a tar archive; list the files/],
      'model.gz': [Buffer.from([0x1f, 0x8b, 8, 0]), /is a gzip archive/],
      'model.npy': [Buffer.from('\x93NUMPY\x01\0', 'latin1'), /is a NumPy array, which may be a pickle/],
    },
    SAFETENSORS,
  );
});

test('fault 22: Keras models, which may hold code in Lambda layers, are refused, also where pickles are allowed', async () => {
  const keras = zip({ 'config.json': '{"class_name":"Lambda"}', 'model.weights.h5': 'x' });
  const hdf5 = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');
  const cases: Cases = {
    'model.keras': [
      keras,
      /is a Keras archive, which can hold code \(Lambda layers\); export safetensors or ONNX/,
    ],
    'model.h5': [hdf5, /is an HDF5 file, in which Keras keeps layers of code \(Lambda\); export/],
  };
  await refused(
    { ...cases, 'model.zip': [keras, /is a ZIP archive, as PyTorch, NumPy and Keras write/] },
    ONNX,
  );
  await shop.reset();
  await shop.repository.edit('trainyard.yml', 'card: MODEL.md', 'card: MODEL.md, allow: [pickle]');
  await refused(cases, ONNX);
});

/** A model whose one tensor lies in another file. */
function external(location: string, entries: Record<string, string> = {}): Buffer {
  const data = { location, offset: '0', length: '16', ...entries };
  return onnx({ weights: [{ name: 'w', dims: [4], external: data }] });
}
const WITH_DATA = { 'w/model.onnx': external('model.data'), 'w/model.data': Buffer.alloc(16, 1) };

test('fault 23: ONNX that keeps weights outside its folder is refused', async () => {
  const places = [
    '../../etc/passwd',
    'sub/../../x',
    '/etc/passwd',
    'C:\\x',
    '..\\x',
    '',
    './model.data',
    'a\0b',
  ];
  const said =
    /keeps weights in ".*", and only a plain path inside its own folder is taken; export it with its data beside it/;
  const inside = [{ name: 'c', dims: [4], external: { location: '../x', length: '16' } }];
  await refused(
    {
      ...Object.fromEntries(
        places.map((place, i): [string, Cases[string]] => [`w/${i}.onnx`, [external(place), said]]),
      ),
      'deep.onnx': [onnx({ inside }), said],
    },
    WITH_DATA,
  );
});

test('fault 25: ONNX whose data is not in the package, too short, or something else is refused', async () => {
  const attribute = external('model.data', { __class__: 'x' });
  await refused(
    {
      'w/absent.onnx': [
        external('unlisted.data'),
        /keeps weights in "unlisted\.data", and w\/unlisted\.data is not among model\.files; add it/,
      ],
      'w/offset.onnx': [
        external('short.data', { offset: '8' }),
        /up to byte 24, and w\/short\.data has 15; it is cut off, or of another export/,
      ],
      'w/short.onnx': [external('short.data'), /up to byte 16, and w\/short\.data has 15/],
      'w/length.onnx': [
        external('short.data', { length: '12' }),
        /"w" with external data at "0" of "12" bytes, and 16 bytes are due/,
      ],
      'w/attribute.onnx': [
        attribute,
        /has external data with the key "__class__"; keys are location, offset, length, checksum/,
      ],
      'w/empty.data': ['', /is empty; let the trainer write it/],
      'w/pickle.data': [PICKLES.binary, /is a pickle/],
    },
    WITH_DATA,
    { listed: { 'w/short.data': Buffer.alloc(15) }, unlisted: { 'w/unlisted.data': Buffer.alloc(16) } },
  );
});
