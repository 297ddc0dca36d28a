/** Runs the tests; arguments go to jest. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const { status } = spawnSync('jest', process.argv.slice(2), {
  cwd: root,
  stdio: 'inherit',
  // ES modules in jest are behind this flag of Node's; its warning tells nobody anything.
  env: { ...process.env, NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning' },
});
process.exitCode = status ?? 1;
