import { chmod, readFile, writeFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pack } from 'tar-stream';
import { digestOf } from '../../src/lib/digest.ts';
import { canonicalBytes } from '../../src/lib/json.ts';
import { program, SOURCE_LAYER } from '../../src/records/program.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { layer, putRecord } from '../../src/store/records.ts';
import { train } from '../../src/train/train.ts';
import { putServer, putTrainer } from '../support/programs.ts';
import { type TrainingMachine, trainingMachine } from '../support/training.ts';

let machine: TrainingMachine;
beforeAll(async () => {
  machine = await trainingMachine();
}, 120_000);
afterAll(() => machine.remove());

const TOUCH = { 'train.sh': 'touch "$TRAINYARD_OUTPUT_DIR/ran"' };
const SH = { command: ['sh', 'train.sh'] };

/** Nothing ran, nothing was recorded, nothing is left. */
async function expectRefusal(work: Promise<unknown>, message: RegExp): Promise<void> {
  const printed = machine.printed();
  await expect(work).rejects.toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
  expect(machine.printed()).toBe(printed);
  expect((await machine.handoff.names('run-')).size).toBe(0);
  expect(await machine.leftovers().catch(() => [])).toEqual([]);
}

const trainDigest = (digest: `sha256:${string}`, params = {}) =>
  train({ trainer: digest, params, commit: null }, machine.deps);

describe('a trainer that cannot be used', () => {
  test('is not there', async () => {
    const absent = digestOf(Buffer.from('absent'));
    await expectRefusal(
      trainDigest(absent),
      new RegExp(`there is no program ${absent} in .*yard. Check the digest`),
    );
  });

  test('is a server', async () => {
    const { digest } = await putServer(machine.handoff, {});
    await expectRefusal(
      trainDigest(digest),
      /^input trainer is sha256:\w+, which is a server; a trainer is needed here, the output trainer of build$/,
    );
  });

  test('was written by a newer version', async () => {
    const { manifest } = await putTrainer(machine.handoff, TOUCH);
    const newer = { ...manifest, artifactType: 'application/vnd.trainyard.program.v2+json' };
    const digest = await machine.handoff.put(canonicalBytes(newer), ['program-newer']);
    await expectRefusal(
      trainDigest(digest),
      /written by a newer Trainyard .*use that version, or a later one/,
    );
  });

  test.each([
    ['source', (layers: { digest: `sha256:${string}` }[]) => layers[0]?.digest],
    ['lock', (layers: { digest: `sha256:${string}` }[]) => layers[1]?.digest],
  ])('has a %s whose bytes differ from their digest', async (_, pick) => {
    const handoff = new LayoutStore(`${machine.root}/damaged-${_}`);
    const { digest, manifest } = await putTrainer(handoff, TOUCH, SH, `# ${_}\n`);
    const file = handoff.pathOf(pick(manifest.layers) ?? digest);
    const bytes = await readFile(file);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    await chmod(file, 0o644);
    await writeFile(file, bytes);
    const work = train({ trainer: digest, params: {}, commit: null }, { ...machine.deps, handoff });
    await expectRefusal(work, /the bytes differ from their digest/);
  });

  test.each([
    ['../out', 'file', 'leads out of its folder'],
    ['/etc/out', 'file', 'has an absolute name'],
    ['a\\..\\b', 'file', 'has a backslash in its name'],
    ['link', 'symlink', 'is a symbolic link'],
    ['device', 'character-device', 'is a device'],
  ] as const)('has a source that holds %s (%s)', async (name, type, why) => {
    const archive = pack();
    archive.entry({ name, type, linkname: '/etc/hostname' }, type === 'file' ? 'x' : '');
    archive.finalize();
    const { config, manifest } = await putTrainer(machine.handoff, {});
    const source = layer(
      SOURCE_LAYER,
      await machine.handoff.write({ bytes: await buffer(archive) }),
      's.tar',
    );
    const layers = [source, ...manifest.layers.slice(1)];
    const { digest } = await putRecord(machine.handoff, program, { config, layers });
    await expectRefusal(
      trainDigest(digest),
      new RegExp(`program's source .*: ".*" ${why}.*; build does not write such an archive; build it again$`),
    );
  });
});

describe('what a trainer is called with', () => {
  test('parameters that are not declared, or of another type, all at once', async () => {
    const work = machine.train(TOUCH, { ...SH, params: { rate: 0.1 } }, { rate: 'fast', nope: 1 });
    await expectRefusal(
      work,
      /input params cannot be used:\n.*rate is "fast".*\n.*"nope" is not a parameter/,
    );
  });

  test('a command with a name that is not known', async () => {
    await expectRefusal(
      machine.train(TOUCH, { command: ['sh', '${nope}', '--p=${params}'] }),
      /trainer.command cannot be expanded:\n.*\$\{nope\} is not known; known are: \$\{params\}, \$\{output\}.*\n.*an argument of its own/,
    );
  });

  test('variables of the job', async () => {
    await expectRefusal(
      machine.train(TOUCH, { ...SH, env: ['HF_HOME', 'GITHUB_TOKEN', 'INPUT_X'] }),
      /trainer.env names GITHUB_TOKEN, INPUT_X, and variables of the job never reach/,
    );
  });

  test('a cancellation before the program starts', async () => {
    const signal = AbortSignal.abort(new Error('cancelled'));
    await expect(machine.train(TOUCH, SH, {}, { signal })).rejects.toThrow('cancelled');
    expect(await machine.leftovers()).toEqual([]);
  });
});
