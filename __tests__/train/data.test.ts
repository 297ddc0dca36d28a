import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Digest, digestOf, hexOf } from '../../src/lib/digest.ts';
import { digestOfTree } from '../../src/lib/tree.ts';
import { dataAt, type TrainingMachine, trainingMachine } from '../support/training.ts';

let machine: TrainingMachine;
const right = digestOf(Buffer.from('1,2\n'));
const wrong = digestOf(Buffer.from('wrong'));
beforeAll(async () => {
  machine = await trainingMachine();
  await writeFile(join(machine.data, 'a.csv'), '1,2\n');
  await mkdir(join(machine.data, 'folder/deep'), { recursive: true });
  await writeFile(join(machine.data, 'folder/deep/b'), 'b');
}, 120_000);
afterAll(() => machine.remove());

const FILES = {
  'train.sh':
    'cat "$TRAINYARD_DATA_SET" > "$TRAINYARD_OUTPUT_DIR/m" 2>&1 || ls "$TRAINYARD_DATA_SET" > "$TRAINYARD_OUTPUT_DIR/m"',
};
const trainWith = (data: ReturnType<typeof dataAt>, dataFolder: string | undefined = machine.data) =>
  machine.train(FILES, { command: ['sh', 'train.sh'], data }, {}, { dataFolder });

test('a relative path lies in the data folder, an absolute one where it says', async () => {
  for (const path of ['a.csv', join(machine.data, 'a.csv')]) {
    const result = await trainWith(dataAt(path, right));
    expect(await machine.output(result, 'm')).toBe('1,2\n');
    expect(result.run.config.data).toEqual({ set: right });
  }
});

test('what was read is noted for the next training, which reads what changed since', async () => {
  const file = join(machine.data, 'settled.csv');
  await writeFile(file, Buffer.alloc(5000, '1,2\n'));
  await sleep(2500);
  const { digest } = await digestOfTree(file);
  for (const _ of [1, 2]) await trainWith(dataAt('settled.csv', digest));
  const notes = (await readFile(join(machine.root, 'digests', 'digests.txt'), 'utf8')).split('\n');
  expect(notes.filter((line) => line.includes(hexOf(digest)))).toHaveLength(1);
  await writeFile(file, Buffer.alloc(5000, '3,4\n'));
  await expect(trainWith(dataAt('settled.csv', digest))).rejects.toThrow(/is not what trainyard.yml says/);
});

test('a folder is one data set', async () => {
  const { digest } = await digestOfTree(join(machine.data, 'folder'));
  expect(await machine.output(await trainWith(dataAt('folder', digest)), 'm')).toBe('deep\n');
});

test('data that is missing or differs is told all at once, with the digest that is right', async () => {
  const data = {
    ...dataAt('a.csv', wrong),
    gone: { path: 'gone.csv', digest: wrong },
    below: { path: 'a.csv/x', digest: wrong },
    fine: { path: 'a.csv', digest: right },
  };
  const error = await trainWith(data).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ name: 'UserError' });
  const lines = String(error).split('\n');
  expect(lines).toHaveLength(4);
  const line = (name: string) => lines.find((candidate) => candidate.includes(`- ${name}: `));
  expect(line('set')).toContain(`its digest is ${right}, expected was ${wrong}`);
  expect(line('set')).toContain(`write digest: "${right}" under trainer.data.set, and commit`);
  expect(line('gone')).toMatch(
    /gone.csv is not on this machine; put it there, or correct trainer.data.gone.path/,
  );
  expect(line('below')).toMatch(/is not on this machine/);
});

test('a folder with a link in it is refused', async () => {
  await mkdir(join(machine.data, 'linked'));
  await symlink('/etc/hostname', join(machine.data, 'linked/l'));
  await expect(trainWith(dataAt('linked', wrong))).rejects.toThrow(/set: l is a symbolic link/);
});

test('a relative path needs TRAINYARD_DATA, and stays in it', async () => {
  const unset: Digest = right;
  await expect(
    machine.train(FILES, { data: dataAt('a.csv', unset) }, {}, { dataFolder: undefined }),
  ).rejects.toThrow(/relative to the machine's data folder, and TRAINYARD_DATA is not set here; set it/);
  await expect(trainWith(dataAt('../yard/oci-layout', right))).rejects.toThrow(
    /leads out of the data folder/,
  );
});

test('a command of the project makes data with what the machine has, and the program sees none of that', async () => {
  const digest = digestOf(Buffer.from('version 3'));
  const files = {
    'fetch.sh': `echo "$KEY" > "$1/seen"; echo ${digest}`,
    'train.sh':
      'cat "$TRAINYARD_DATA_SET/seen" > "$TRAINYARD_OUTPUT_DIR/m"; echo "${KEY-none}" >> "$TRAINYARD_OUTPUT_DIR/m"',
  };
  const data = { set: { command: ['sh', 'fetch.sh', '${output}'], digest } };
  const env = { ...machine.deps.env, KEY: 'of-the-machine' };
  const result = await machine.train(files, { command: ['sh', 'train.sh'], data }, {}, { env });
  expect(await machine.output(result, 'm')).toBe('of-the-machine\nnone\n');
  expect(result.run.config.data).toEqual({ set: digest });
});
