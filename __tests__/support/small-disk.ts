import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Mounts a disk that is soon full, in memory, at a folder that it makes.
 * @returns takes it away again
 * @throws where this user may mount nothing
 */
export function smallDisk(folder: string, megabytes: number): () => void {
  mkdirSync(folder, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { stdio: 'pipe' });
  return () => void execFileSync('umount', ['--lazy', folder], { stdio: 'pipe' });
}

/** Whether this user may mount. */
export function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'trainyard-mount-'));
  try {
    smallDisk(folder, 1)();
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
