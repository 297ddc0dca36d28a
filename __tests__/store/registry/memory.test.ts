import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const SUPPORT = join(import.meta.dirname, '..', '..', 'support');
const QUIET = '--disable-warning=ExperimentalWarning';

test('300 MB go to a registry and come back, and take less than half of that in memory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'memory-'));
  // Of its own, so that its memory is not counted.
  const argv = [QUIET, join(SUPPORT, 'registry-main.ts'), '--dir', join(folder, 'registry')];
  const registry = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [host] = await once(createInterface(registry.stdout), 'line');
    const file = join(folder, 'file');
    const handle = await open(file, 'w');
    await handle.truncate(300_000_000);
    await handle.close();
    const transfer = [QUIET, join(SUPPORT, 'transfer-main.ts'), host, file, folder];
    const { stdout } = await promisify(execFile)(process.execPath, transfer);
    // More than half of it is what reads TypeScript, which a bundle does without.
    const [before = 0, most = 0] = stdout.split(' ').map(Number);
    expect(before).toBeGreaterThan(30e6);
    expect(most - before).toBeLessThan(125e6);
  } finally {
    registry.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}, 120_000);
