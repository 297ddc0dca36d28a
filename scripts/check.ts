/** Proves that what is committed is in order: types, lint, workflows, and everything that is generated. Exits 1 if not. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const script = (name: string, ...args: string[]): string[] => [
  'node',
  join('scripts', `${name}.ts`),
  ...args,
];

const checks: Record<string, string[]> = {
  'types of src': ['tsc', '-p', '.', '--noEmit'],
  'types of everything': ['tsc', '-p', 'tsconfig.all.json'],
  'lint and format': ['biome', 'ci', '--error-on-warnings', '.'],
  'workflows: actionlint, zizmor': script('lint'),
  'schemas are fresh': script('schemas', '--check'),
  'README tables are fresh': script('docs', '--check'),
  'dist is fresh': script('build', '--check'),
};

const failed = Object.entries(checks).filter(([title, [command = '', ...args]]) => {
  console.log(`\n── ${title}`);
  return spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status !== 0;
});
for (const [title] of failed) console.error(`✗ ${title}`);
console.log(`${Object.keys(checks).length - failed.length} checks passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;
