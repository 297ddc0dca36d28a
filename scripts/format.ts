/** Formats the code, and mends what the linter can mend safely. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

process.exitCode =
  spawnSync('biome', ['check', '--write', '.'], { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' })
    .status ?? 1;
