import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Figure, median } from './figure.ts';

const root = join(import.meta.dirname, '..');
const ROUNDS = 21;

/** Counts what is loaded of a folder until the first line is printed, and writes the bytes to stderr. */
const COUNTER = `
import { registerHooks } from 'node:module';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
let bytes = 0;
registerHooks({ load(url, context, next) { if (url.startsWith('file:')) bytes += statSync(fileURLToPath(url)).size; return next(url, context); } });
const write = process.stdout.write;
process.stdout.write = (...args) => { process.stdout.write = write; process.stderr.write('LOADED ' + bytes + '\\n'); return write.apply(process.stdout, args); };
`;

/** From the start of node to the first line of the log: build's stub, and a bundle of @actions/core alone. */
export async function start(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'trainyard-bench-'));
  try {
    const peer = bundleCore(folder);
    const ours = join(root, 'dist', 'build', 'index.js');
    const ratios: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const [a, b] = [await firstLine(ours), await firstLine(peer)];
      // The first round fills the caches.
      if (round > 0) ratios.push(a / b);
    }
    const counter = join(folder, 'counter.mjs');
    writeFileSync(counter, COUNTER);
    return [
      {
        name: 'start of an action',
        measured: median(ratios),
        limit: 1.3,
        unit: '×',
        how: `against a bundle of @actions/core alone, median of ${ROUNDS} pairs`,
      },
      {
        name: 'loaded before the first line',
        measured: (await loaded(ours, counter)) / 1e6,
        limit: 1,
        unit: 'MB',
        how: 'bytes of all modules',
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function bundleCore(folder: string): string {
  const source = join(folder, 'source');
  mkdirSync(source);
  symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'));
  writeFileSync(join(source, 'package.json'), '{"type":"module"}');
  writeFileSync(
    join(source, 'index.js'),
    "import * as core from '@actions/core';\ncore.info('first line');\n",
  );
  execFileSync('ncc', [
    'build',
    join(source, 'index.js'),
    '--out',
    join(folder, 'core'),
    '--minify',
    '--quiet',
    '--target',
    'es2023',
  ]);
  return join(folder, 'core', 'index.js');
}

/** Seconds until the first bytes on stdout. */
async function firstLine(entry: string): Promise<number> {
  const begin = performance.now();
  const child = spawn(process.execPath, [entry], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: process.env.PATH },
  });
  const [bytes] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  if (!Buffer.isBuffer(bytes)) throw new Error(`${entry} ended without a line`);
  const time = (performance.now() - begin) / 1000;
  child.kill('SIGKILL');
  await once(child, 'close');
  return time;
}

async function loaded(entry: string, counter: string): Promise<number> {
  const child = spawn(process.execPath, ['--import', counter, entry], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH },
  });
  let text = '';
  child.stderr.on('data', (chunk) => {
    text += chunk;
  });
  await once(child, 'close');
  const bytes = /LOADED (\d+)/.exec(text)?.[1];
  if (bytes === undefined) throw new Error(`nothing was printed: ${text}`);
  return Number(bytes);
}
