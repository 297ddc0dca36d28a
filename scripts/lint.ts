/** Lints all workflows, templates and action files with actionlint and zizmor (pedantic, offline). Exits 1 on any finding. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { tool } from './tools.ts';

const root = join(import.meta.dirname, '..');
const workflows = files('{.github/workflows,workflows}/*.yml');
const actions = files('{.,actions/*}/action.yml');

const results = [
  // What shellcheck or pyflakes would add depends on the machine, so neither is asked.
  await run(await tool('actionlint'), ['-shellcheck=', '-pyflakes=', ...workflows]),
  await run(await tool('zizmor'), [
    '--offline',
    '--quiet',
    '--persona=pedantic',
    '--config=.github/zizmor.yml',
    ...workflows,
    ...actions,
  ]),
];
console.log(`${workflows.length} workflows and ${actions.length} actions linted`);
process.exitCode = results.every((status) => status === 0) ? 0 : 1;

function files(pattern: string): string[] {
  return globSync(pattern, { cwd: root }).sort();
}

async function run(command: string, args: string[]): Promise<unknown> {
  const [status] = await once(spawn(command, args, { cwd: root, stdio: 'inherit' }), 'exit');
  return status;
}
