/** What the Markdown files of this repository hold besides words: blocks of code and links. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './workflow-files.ts';

/** Every document that people read, in the order in which a new user would. */
export const documents = [
  'README.md',
  ...globSync('docs/*.md', { cwd: root }).sort(),
  'examples/digits/README.md',
  'examples/torch/README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...globSync('actions/*/README.md', { cwd: root }).sort(),
];

/** A block between fences; `line` is that of its first line in the file. */
export interface Block {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

export function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** The blocks of a document in their order. */
export function blocksOf(file: string): Block[] {
  const text = textOf(file);
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(
    ({ 1: language = '', 2: code = '', index }) => ({
      file,
      line: text.slice(0, index).split('\n').length + 1,
      language,
      text: code,
    }),
  );
}

/** One command of a `sh` block: a line, with the lines that continue it. */
export interface Command {
  /** `FILE:LINE`. */
  readonly place: string;
  readonly text: string;
}

/** The commands of a document's `sh` blocks. A line that ends with a backslash or a pipe goes on in the next. */
export function commandsOf(file: string): Command[] {
  return blocksOf(file)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ line, text }) => {
      const commands: Command[] = [];
      let open = '';
      for (const [offset, part] of text.trimEnd().split('\n').entries()) {
        const place = open === '' ? `${file}:${line + offset}` : (commands.pop()?.place ?? file);
        open = open === '' ? part : `${open}\n${part}`;
        commands.push({ place, text: open });
        if (!/[\\|]$/.test(part)) open = '';
      }
      return commands.filter((command) => command.text.trim() !== '');
    });
}

/** The targets of a document's links that lie in this repository: a path and an anchor, either of which may be empty. */
export function linksOf(file: string): { path: string; anchor: string }[] {
  const words = textOf(file)
    .replace(/^```[\s\S]*?^```$/gm, '')
    .replace(/`[^`\n]*`/g, '');
  return [...words.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => ({ path: target.split('#')[0] ?? '', anchor: target.split('#')[1] ?? '' }));
}

/** The anchors that GitHub gives to the headings of a document. */
export function anchorsOf(file: string): string[] {
  const words = textOf(file).replace(/^```[\s\S]*?^```$/gm, '');
  return [...words.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
