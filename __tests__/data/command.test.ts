/** Data that a command of the user's makes. */
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Digest, digestOf } from '../../src/lib/digest.ts';
import { type DataMachine, dataMachine } from '../support/data-cache.ts';
import { canMount, smallDisk } from '../support/small-disk.ts';
import { isAlive } from '../support/training.ts';

let machine: DataMachine;
beforeAll(async () => {
  machine = await dataMachine();
  machine.env = {
    PATH: '/usr/bin:/bin',
    KEY: 'of-the-machine',
    GITHUB_TOKEN: 'of-the-job',
    ACTIONS_RUNTIME_TOKEN: 'of-the-job',
  };
});
afterAll(() => machine.remove());

let count = 0;
/** A data set that a script makes; each has a digest of its own unless given. */
const made = (script: string, digest: Digest = digestOf(Buffer.from(`set ${++count}`))) => ({
  command: ['sh', '-ec', script, 'sh', '${output}', digest],
  digest,
});
const use = (script: string, digest?: Digest) => machine.use(made(script, digest));

test('the command gets a folder, the variables of the machine and none of the job, and runs once', async () => {
  const set = made(
    'echo "$KEY$GITHUB_TOKEN$ACTIONS_RUNTIME_TOKEN" > "$1/a"; mkdir "$1/d"; pwd > $TRAINYARD_OUTPUT_DIR/d/b; echo x >> runs; echo "$2"',
  );
  const { path, release } = await machine.use(set);
  expect(await readFile(join(path, 'a'), 'utf8')).toBe('of-the-machine\n');
  expect(await readFile(join(path, 'd/b'), 'utf8')).toBe(`${machine.directory}\n`);
  await release();
  expect((await machine.use(set)).path).toBe(path);
  expect(await readFile(join(machine.directory, 'runs'), 'utf8')).toBe('x\n');
  expect(await readdir(`${machine.folder}-aside`)).toEqual([]);
});

test('a line of sha256sum is a digest, and only the last line counts', async () => {
  const { path } = await use(
    'cd "$1"; printf 1 > one.csv; echo fetching; sha256sum one.csv; echo',
    digestOf(Buffer.from('1')),
  );
  expect(await readFile(join(path, 'one.csv'), 'utf8')).toBe('1');
});

test('a file that was written into is made again', async () => {
  const set = made('echo 1 > "$1/a"; echo "$2"');
  const { path, release } = await machine.use(set);
  await chmod(join(path, 'a'), 0o644);
  await writeFile(join(path, 'a'), 'evil');
  await release();
  expect(await readFile(join((await machine.use(set)).path, 'a'), 'utf8')).toBe('1\n');
});

test('a command that makes other bytes for the same digest is told so', async () => {
  const set = made('date +%N > "$1/a"; echo "$2"');
  const { path, release } = await machine.use(set);
  await chmod(join(path, 'a'), 0o644);
  await writeFile(join(path, 'a'), 'evil');
  await release();
  await expect(machine.use(set)).rejects.toThrow(
    /it made other bytes than the first time and printed the same digest; remove \//,
  );
});

test('what the command leaves running is ended before its files are read', async () => {
  const { path } = await use('(trap "" TERM; exec sleep 1000) & echo $! > "$1/pid"; echo "$2"');
  expect(isAlive(Number(await readFile(join(path, 'pid'), 'utf8')))).toBe(false);
}, 30_000);

const other = digestOf(Buffer.from('other'));
test.each([
  [`echo 1 > "$1/a"; echo ${other}`, `made ${other}, and trainyard.yml says sha256:`],
  [`echo 1 > "$1/a"; echo ${other}`, `write digest: "${other}" under trainer.data.set, and commit`],
  ['echo 1 > "$1/a"; echo done', 'the last line of sh is "done", and must be the digest of what it made'],
  ['echo 1 > "$1/a"', 'the last line of sh is "", and must be the digest'],
  ['echo no such bucket >&2; exit 3', 'data set: sh ended with status 3\nno such bucket'],
  ['kill -9 $$', 'data set: sh ended with SIGKILL'],
  ['echo "$2"', 'it is empty; the command writes into the folder ${output}'],
  ['ln -s /etc/passwd "$1/a"; echo "$2"', '"a" is neither a file nor a folder'],
  ['echo 1 > "$1/nul.txt"; echo "$2"', '"nul.txt"'],
])('%s is refused', async (script, said) => {
  const error = await use(script).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ name: 'UserError', message: expect.stringContaining(said) });
  expect(await readdir(`${machine.folder}-aside`)).toEqual([]);
});

test('what is larger than the limit is refused, and goes', async () => {
  machine.limit = 1000;
  await expect(use('head -c 2000 /dev/zero > "$1/a"; echo "$2"')).rejects.toThrow(
    /the cache of data may have/,
  );
  machine.limit = undefined;
  expect(await readdir(`${machine.folder}-aside`)).toEqual([]);
});

(canMount() ? test : test.skip)('what it made needs no room twice', async () => {
  const small = await dataMachine();
  const unmount = smallDisk(small.root, 8);
  try {
    small.env = { PATH: '/usr/bin:/bin' };
    small.limit = 7e6;
    const { path } = await small.use(made('head -c 5000000 /dev/zero > "$1/a"; echo "$2"'));
    expect((await stat(join(path, 'a'))).size).toBe(5e6);
  } finally {
    unmount();
    await small.remove();
  }
});

test('a program that is not there is named', async () => {
  const digest = digestOf(Buffer.from('none'));
  await expect(machine.use({ command: ['./none.sh'], digest })).rejects.toThrow(
    /data set: \.\/none\.sh could not be started in /,
  );
  await rm(join(machine.directory, 'runs'), { force: true });
});
