/** Faults 20 and 21 where pickles are allowed: only what a scanner has seen, and found clean, is packaged. */
import { chmod, readdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { modelPackage } from '../../src/records/package.ts';
import { getRecord } from '../../src/store/records.ts';
import { PICKLES, torchFile, zip } from '../support/models.ts';
import { GOLDEN } from '../support/runs.ts';
import { digestIn, openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
  // The machine, with a cache of its own: one test breaks the scanner in it.
  Object.assign(shop.env, process.env, {
    PATH: `${dirname(await tool('uv'))}:${process.env.PATH}`,
    TRAINYARD_CACHE: join(shop.root, 'cache'),
  });
}, 120_000);
afterEach(() => shop.reset());
afterAll(() => shop.remove());

type Outputs = Readonly<Record<string, Buffer>>;

/** Packages a run whose outputs are the model, in a project that allows pickles. */
async function pack(outputs: Outputs) {
  const model = `model: {files: ${JSON.stringify(Object.keys(outputs))}, allow: [pickle]}`;
  await shop.repository.edit('trainyard.yml', /model: .*/, model);
  const built = await shop.build();
  const { digest } = await shop.train(built, { outputs: { 'golden.jsonl': GOLDEN, ...outputs } });
  return shop.package(built, digest);
}

async function refused(outputs: Outputs): Promise<readonly string[]> {
  const said = await refusalOf(pack(outputs));
  expect([...(await shop.store.names('')).keys()]).toEqual([]);
  return said.split('\n  - ').slice(1);
}

/** A NumPy file of objects: a header, then a pickle. */
function objects(pickle: Buffer, type = "'|O'"): Buffer {
  const header = `{'descr': ${type}, 'fortran_order': False, 'shape': (1,), }\n`;
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\0', 'latin1'),
    Buffer.from([header.length, 0]),
    Buffer.from(header),
    pickle,
  ]);
}

/** What `torch.save` writes of two state_dicts and `numpy.savez` of two lists: nothing that runs. */
const CLEAN = {
  'model.pt': torchFile(PICKLES.tensors),
  'plain.pkl': PICKLES.harmless,
  'list.npy': objects(PICKLES.harmless),
  'lists.npz': zip({ 'a.npy': objects(PICKLES.harmless), 'b.npy': objects(Buffer.alloc(8), "'<f8'") }),
};

test('pickles that a scanner finds clean are packaged where they are allowed, and the package says so', async () => {
  const { outputs } = await pack(CLEAN);
  const { manifest, config } = await getRecord(shop.store, modelPackage, digestIn(outputs, 'package'));
  expect(manifest.annotations?.['vnd.trainyard.allow']).toBe('pickle');
  expect(config.config).toEqual({ format: 'pt' });
}, 120_000);

test('fault 20: pickles that run something are refused wherever they lie, and nothing hides beside clean ones', async () => {
  const WAYS =
    'let the trainer save tensors alone (torch.save of a state_dict), or export safetensors or ONNX';
  const said = await refused({
    'text.bin': PICKLES.text,
    'binary.pt': torchFile(PICKLES.binary),
    'roundabout.pkl': PICKLES.roundabout,
    'objects.npy': objects(PICKLES.binary),
    'objects.npz': zip({ 'a.npy': objects(PICKLES.text) }),
    'nested.pt': torchFile(PICKLES.tensors, { 'archive/inner.pt': torchFile(PICKLES.binary) }),
    'other-name.pt': torchFile(PICKLES.tensors, { 'archive/weights': PICKLES.text }),
    'code.pt': torchFile(PICKLES.tensors, { 'archive/code/__torch__.py': 'x' }),
    'two.pkl': Buffer.concat([PICKLES.harmless, PICKLES.harmless]),
    'checksum.pt': zip({ 'archive/data.pkl': PICKLES.tensors }, true),
    'before.pt': Buffer.concat([
      zip({ 'x/data.pkl': PICKLES.binary }),
      zip({ 'x/data.pkl': PICKLES.tensors }),
    ]),
    'cut.pkl': PICKLES.tensors.subarray(0, 60),
  });
  const problems = [
    'text.bin is not clean by picklescan 1.0.5: the pickle imports posix.system',
    'binary.pt is not clean by picklescan 1.0.5: archive/data.pkl imports posix.system',
    'roundabout.pkl is not clean by picklescan 1.0.5: the pickle imports importlib.import_module; the pickle imports inspect.getattr_static',
    'objects.npy is not clean by picklescan 1.0.5: the array imports posix.system',
    'objects.npz is not clean by picklescan 1.0.5: a.npy imports posix.system',
    'nested.pt is not clean by picklescan 1.0.5: archive/inner.pt is nothing that PyTorch or NumPy writes for tensors',
    'other-name.pt is not clean by picklescan 1.0.5: archive/weights is nothing that',
    'code.pt is not clean by picklescan 1.0.5: archive/code/__torch__.py is nothing that',
    'two.pkl is not clean by picklescan 1.0.5: the pickle goes on behind its pickle',
    "checksum.pt is not clean by picklescan 1.0.5: it cannot be read (Bad CRC-32 for file 'archive/data.pkl')",
    'before.pt is not clean by picklescan 1.0.5: the archive can be read in two ways',
    'cut.pkl is not clean by picklescan 1.0.5: the pickle is no whole pickle (no newline found',
  ];
  for (const [index, problem] of problems.entries()) expect(said[index]).toContain(problem);
  for (const line of said) expect(line).toContain(WAYS);
  expect((await pack(CLEAN)).outputs.package).toMatch(/^sha256:/);
}, 120_000);

test('fault 21: a file in which the scanner finds nothing to scan is refused', async () => {
  const said = await refused({
    'numbers.npy': objects(Buffer.alloc(8), "'<f8'"),
    'numbers.npz': zip({ 'a.npy': objects(Buffer.alloc(8), "'<f8'") }),
  });
  expect(said).toHaveLength(2);
  for (const line of said)
    expect(line).toMatch(
      /numbers\.np. holds no pickle, so that picklescan 1\.0\.5 had nothing to scan; let the trainer/,
    );
  expect((await pack(CLEAN)).outputs.package).toMatch(/^sha256:/);
}, 120_000);

test('fault 21: a scanner that crashes, says nothing or cannot be had refuses the file', async () => {
  await pack(CLEAN);
  await shop.reset();
  const cache = join(shop.root, 'cache', 'environments');
  const [environment = ''] = await readdir(cache);
  const python = join(cache, environment, 'bin', 'python');
  const attempt = async (script: string): Promise<string> => {
    await shop.reset();
    await writeFile(`${python}.new`, script);
    await chmod(`${python}.new`, 0o755);
    await rename(`${python}.new`, python);
    return refusalOf(pack({ 'model.pt': torchFile(PICKLES.tensors), 'plain.pkl': PICKLES.harmless }));
  };
  expect(await attempt('#!/bin/sh\nkill -SEGV $$\n')).toMatch(
    /model\.pt could not be scanned by picklescan 1\.0\.5 \(python was ended by SIGSEGV\); let the trainer save tensors alone/,
  );
  expect(await attempt('#!/bin/sh\nexit 3\n')).toMatch(
    /could not be scanned by picklescan 1\.0\.5 \(python ended with status 3\)/,
  );
  expect(await attempt('#!/bin/sh\nexit 0\n')).toMatch(
    /could not be scanned by picklescan 1\.0\.5, which gave no verdict/,
  );
  expect(await attempt('#!/bin/sh\necho "{\\"scanned\\": true}"\n')).toMatch(/which gave no verdict/);
  expect([...(await shop.store.names('')).keys()]).toEqual([]);
  Object.assign(shop.env, { PATH: join(shop.root, 'empty') });
  expect(await refusalOf(pack(CLEAN))).toMatch(/^python3 does not run on this machine; install Python 3/);
  expect([...(await shop.store.names('')).keys()]).toEqual([]);
}, 120_000);
