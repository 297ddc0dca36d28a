/**
 * Writes what the documents say of inputs and outputs from the files that declare them: each action's README.md, and in README.md
 * and docs/ each table between `<!-- table: FILE inputs -->` (or `outputs`) and `<!-- /table -->`. With `--check` it writes
 * nothing, and exits 1 when a document is not what it would write.
 */
import { existsSync, globSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const Described = z.record(z.string(), z.object({ description: z.string().trim().min(1) }).loose());
const Declared = z.object({ inputs: Described.default({}), outputs: Described.default({}) });
const File = z.object({
  name: z.string(),
  description: z.string().default(''),
  inputs: Described.optional(),
  outputs: Described.optional(),
  on: z.object({ workflow_call: z.unknown() }).optional(),
});

type Kind = 'inputs' | 'outputs';

/** The Markdown table of an action's or a reusable workflow's inputs or outputs; throws when one has no description. */
export function table(yaml: string, kind: Kind): string {
  const file = File.parse(parse(yaml));
  const declared = Object.entries(Declared.parse(file.on?.workflow_call ?? file)[kind]);
  const head = kind === 'inputs' ? ['input', 'default', 'what it is'] : ['output', 'what it is'];
  const rows = declared.map(([name, { description, required, default: value }]) => {
    const text = description.replace(/\s+/g, ' ').replaceAll('|', '\\|');
    return kind === 'outputs'
      ? [`\`${name}\``, text]
      : [`\`${name}\``, required === true ? 'required' : shown(value), text];
  });
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function shown(value: unknown): string {
  return value === undefined || value === '' ? 'empty' : `\`${String(value)}\``;
}

/** The example that an action.yml starts with, as a comment: YAML of a part of a job. */
export function usageOf(yaml: string): string {
  const [, usage] = /^# Usage\n#\n((?:#.*\n)+)/.exec(yaml) ?? [];
  if (usage === undefined) throw new Error('an action.yml starts with "# Usage"');
  return usage.replace(/^# ?/gm, '');
}

/** An action's README, from its action.yml. */
export function actionReadme(yaml: string): string {
  const { name, description } = File.parse(parse(yaml));
  return `<!-- Written by scripts/docs.ts from action.yml. -->

# ${name}

${description}

## Usage

\`\`\`yaml
${usageOf(yaml)}\`\`\`

## Inputs

${table(yaml, 'inputs')}
## Outputs

${table(yaml, 'outputs')}`;
}

/** Fills the tables of a document; `read` gives the file that a marker names. */
export function fillTables(text: string, read: (file: string) => string): string {
  const marked = /^(<!-- table: (\S+) (inputs|outputs) -->\n)[\s\S]*?^(<!-- \/table -->)$/gm;
  return text.replace(marked, (_, start: string, file: string, kind: Kind, end: string) => {
    return `${start}\n${table(read(file), kind)}\n${end}`;
  });
}

/** Every document and what it should say. */
async function documents(root: string): Promise<Map<string, string>> {
  const files = globSync(['actions/*/action.yml', 'action.yml', '.github/workflows/*.yml'], {
    cwd: root,
  }).sort();
  const sources = new Map<string, string>();
  for (const file of files) sources.set(file, await readFile(join(root, file), 'utf8'));
  const found = new Map<string, string>();
  for (const [file, yaml] of sources) {
    if (file.startsWith('actions/')) found.set(join(dirname(file), 'README.md'), actionReadme(yaml));
  }
  for (const file of globSync(['README.md', 'docs/**/*.md'], { cwd: root })) {
    found.set(
      file,
      fillTables(
        await readFile(join(root, file), 'utf8'),
        (name) => sources.get(name) ?? missing(file, name),
      ),
    );
  }
  return found;
}

function missing(file: string, name: string): never {
  throw new Error(`${file} has a table of ${name}, which is not there`);
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  for (const [file, text] of await documents(root)) {
    const path = join(root, file);
    if (existsSync(path) && (await readFile(path, 'utf8')) === text) continue;
    if (!process.argv.includes('--check')) {
      await writeFile(path, text);
      console.log(`wrote ${file}`);
    } else {
      console.error(`${file} is not what its sources say: run node scripts/run.mjs docs`);
      process.exitCode = 1;
    }
  }
}
