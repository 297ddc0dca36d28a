import { chmod, mkdir, mkdtemp, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ensureFront } from '../../../src/deploy/process/launch.ts';
import { keepRuntime } from '../../../src/deploy/process/runtime.ts';
import { run } from '../../../src/lib/process.ts';
import { endProcessesOf } from '../../support/processes.ts';

let folder: string;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-runtime-')));
  await mkdir(join(folder, 'dist', 'front'), { recursive: true });
  await writeFile(join(folder, 'dist', 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'dist', 'front', 'index.js'), 'console.log("from", process.execPath);');
});
afterAll(async () => {
  await endProcessesOf(folder);
  await rm(folder, { recursive: true, force: true });
});

const code = () => ({
  folder: join(folder, 'dist'),
  files: ['package.json', 'front/index.js'],
  entry: 'front/index.js',
});
const keep = (node = process.execPath) => keepRuntime(join(folder, 'kept'), node, code(), {});

test('node and the code are kept once, run from there, and change with what they are made of', async () => {
  const [command, again] = await Promise.all([keep(), keep()]);
  expect(again).toEqual(command);
  const [node = ''] = command;
  expect((await run(command)).stdout.toString()).toBe(`from ${node}\n`);
  expect(node.startsWith(join(folder, 'kept'))).toBe(true);
  const before = (await stat(node)).ino;
  await keep();
  expect((await stat(node)).ino).toBe(before);
  await writeFile(join(folder, 'dist', 'front', 'index.js'), 'console.log("newer");');
  const newer = await keep();
  expect((await run(newer)).stdout.toString()).toBe('newer\n');
  expect(await readdir(join(folder, 'kept'))).toHaveLength(2);
});

test('what others can write is not run', async () => {
  const [node = ''] = await keep();
  await chmod(join(node, '..'), 0o777);
  await expect(keep()).rejects.toThrow(/can be written by others/);
  await chmod(join(node, '..'), 0o755);
});

test('a node that does not run elsewhere is told, and nothing is left', async () => {
  const before = await readdir(join(folder, 'kept'));
  const node = join(folder, 'node');
  await writeFile(node, '#!/bin/sh\necho libnode.so is missing >&2; exit 127\n');
  await expect(keep(node)).rejects.toThrow(
    /copy of this machine's node does not run .*libnode.so is missing/s,
  );
  expect(await readdir(join(folder, 'kept'))).toEqual(before);
});

test('a front that does not start: what it said', async () => {
  const place = { state: folder, name: 'toy', environment: 'test', env: {} };
  const command = async () => [process.execPath, '-e', 'throw new Error("no such module")'];
  await expect(ensureFront({ ...place, command })).rejects.toThrow(
    /the front did not start .*no such module/s,
  );
});
