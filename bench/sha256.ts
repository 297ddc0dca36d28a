import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { inParallel } from '../src/lib/in-parallel.ts';

/** Hashes files one after the other, and does nothing else. */
const THREAD = `
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
const buffer = Buffer.allocUnsafeSlow(1 << 20);
for (const path of workerData) {
  const hash = createHash('sha256');
  const file = fs.openSync(path);
  for (let size; (size = fs.readSync(file, buffer)) > 0; ) hash.update(buffer.subarray(0, size));
  fs.closeSync(file);
  hash.digest('hex');
}
`;

/** What others take for the SHA-256 of files on all cores, by name. */
export const sha256: Readonly<Record<string, (files: readonly string[]) => Promise<void>>> = {
  'node:crypto in threads': async (files) => {
    const threads = Math.min(availableParallelism(), files.length);
    const shares = Array.from({ length: threads }, (_, i) => files.filter((_file, n) => n % threads === i));
    await Promise.all(
      shares.map(
        (workerData) =>
          new Promise<void>((done, failed) => {
            new Worker(THREAD, { eval: true, workerData, execArgv: [] })
              .on('exit', () => done())
              .on('error', failed);
          }),
      ),
    );
  },
  'openssl dgst': async (files) => {
    await inParallel(files, availableParallelism(), (file) =>
      promisify(execFile)('openssl', ['dgst', '-sha256', file]),
    );
  },
};
