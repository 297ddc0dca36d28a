/**
 * Makes `dist/`: one ncc build of src/main.ts, in which every action's code is a chunk of its own that loads on demand, and
 * a stub per action that starts it. `--check` builds aside and says whether the committed dist is that build.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { minifySync } from '@swc/core';

const root = join(import.meta.dirname, '..');

/** What is in a folder, by relative path. */
function contents(folder: string): Map<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(folder, path), readFileSync(path)];
    }),
  );
}

async function bundle(to: string): Promise<void> {
  const compiled = join(root, 'build');
  rmSync(compiled, { recursive: true, force: true });
  execFileSync('tsc', ['-p', '.'], { cwd: root, stdio: 'inherit' });
  // Without this, ncc would take the compiled files for CommonJS.
  writeFileSync(join(compiled, 'package.json'), '{"type":"module"}');
  const options = ['--out', to, '--quiet', '--target', 'es2023', '--license', 'licenses.txt'];
  execFileSync('ncc', ['build', join(compiled, 'main.js'), ...options], { cwd: root, stdio: 'inherit' });
  // ncc minifies the entry alone; the chunks are most of it.
  for (const file of readdirSync(to).filter((name) => name.endsWith('.js'))) {
    const { code } = minifySync(readFileSync(join(to, file), 'utf8'), {
      module: true,
      compress: true,
      mangle: true,
    });
    writeFileSync(join(to, file), code);
  }
  for (const file of readdirSync(join(root, 'src', 'actions')))
    stub(
      to,
      file.replace('.ts', ''),
      (name) => `import { runStep } from '../index.js';\n\nawait runStep('${name}');\n`,
    );
  stub(
    to,
    'front',
    () => "import { runFront } from '../index.js';\n\nawait runFront(process.argv.slice(2));\n",
  );
  stub(
    to,
    'cli',
    () =>
      "#!/usr/bin/env node\nimport { runCommand } from '../index.js';\n\nawait runCommand(process.argv.slice(2));\n",
  );
  chmodSync(join(to, 'cli', 'index.js'), 0o755);
}

function stub(to: string, name: string, text: (name: string) => string): void {
  mkdirSync(join(to, name), { recursive: true });
  writeFileSync(join(to, name, 'index.js'), text(name));
}

const aside = mkdtempSync(join(tmpdir(), 'trainyard-dist-'));
try {
  await bundle(aside);
  const dist = join(root, 'dist');
  if (process.argv.includes('--check')) {
    const [built, committed] = [contents(aside), contents(dist)];
    const differing = [...new Set([...built.keys(), ...committed.keys()])].filter(
      (path) => !built.get(path)?.equals(committed.get(path) ?? Buffer.of(0)),
    );
    for (const path of differing) console.error(`dist/${path} is not what the source builds`);
    if (differing.length > 0) throw new Error('dist is stale: run npm run build, and commit dist');
    console.log('dist is fresh');
  } else {
    rmSync(dist, { recursive: true, force: true });
    cpSync(aside, dist, { recursive: true });
    const sizes = [...contents(dist)].map(([path, bytes]) => [path, bytes.length] as const);
    for (const [path, size] of sizes.sort(([, a], [, b]) => b - a).slice(0, 12))
      console.log(`${String(size).padStart(9)}  ${path}`);
    console.log(`${String(sizes.reduce((sum, [, size]) => sum + size, 0)).padStart(9)}  in all`);
  }
} finally {
  rmSync(aside, { recursive: true, force: true });
}
