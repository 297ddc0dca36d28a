import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openPipe } from '../../src/lib/pipe.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-pipe-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('all that a program writes comes out in its order, small and large, until nobody holds the other end', async () => {
  const pipe = await openPipe(join(folder, 'all'));
  const script = 'seq 1 100000; echo aside >&2; echo by name > /dev/stderr; (sleep 0.3; printf last) &';
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', pipe.writer, pipe.writer] });
  pipe.close();
  const printed = await text(pipe.reader);
  const numbers = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join('');
  expect(printed === `${numbers}aside\nby name\nlast`).toBe(true);
  expect(child.exitCode).toBe(0);
  expect(await readdir(folder)).toEqual([]);
});

test('a reader that waits makes the program wait, and one that leaves ends it', async () => {
  const pipe = await openPipe(join(folder, 'slow'));
  const child = spawn('yes', [], { stdio: ['ignore', pipe.writer, 'ignore'] });
  pipe.close();
  await once(pipe.reader, 'readable');
  expect(pipe.reader.readableLength).toBeLessThan(300_000);
  pipe.reader.destroy();
  expect(await once(child, 'exit')).toEqual([null, 'SIGPIPE']);
});

test('a name that cannot be made is told', async () => {
  await expect(openPipe(join(folder, 'none', 'pipe'))).rejects.toThrow(/mkfifo ended with status 1.*none/s);
});
