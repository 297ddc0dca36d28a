/** The rules of the source that no compiler knows: who may import whom, who sees the environment, and how long a file may be. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..', 'src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

/** What a part of the source may import besides itself. */
const BELOW_STAGES = ['store', 'records', 'lib'];
const STAGES = [
  'data',
  'build',
  'train',
  'package',
  'release',
  'deploy',
  'trace',
  'history',
  'verify',
  'prune',
];
const MAY: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  records: ['lib'],
  store: ['records', 'lib'],
  source: ['records', 'lib'],
  data: BELOW_STAGES,
  train: ['data', ...BELOW_STAGES],
  deploy: BELOW_STAGES,
  trace: BELOW_STAGES,
  history: BELOW_STAGES,
  verify: BELOW_STAGES,
  prune: BELOW_STAGES,
  build: ['data', 'source', ...BELOW_STAGES],
  package: ['source', ...BELOW_STAGES],
  release: ['source', ...BELOW_STAGES],
  github: ['store', 'lib'],
  summary: [...STAGES, 'source', ...BELOW_STAGES, 'github/markdown.ts'],
  actions: [...STAGES, 'source', ...BELOW_STAGES, 'summary', 'github'],
  'main.ts': ['actions', 'github', 'lib', 'deploy/process/front-main.ts'],
};

/** Every module that a file imports: a path in src, or the name of a package. */
function importsOf({ path, text }: (typeof files)[number]): string[] {
  const names = text.matchAll(/(?:\bfrom|\bimport\(|^import) ?'([^']+)'/gm);
  return [...names].map(([, name = '']) =>
    name.startsWith('.') ? relative(root, join(root, dirname(path), name)) : name,
  );
}

const partOf = (path: string): string => path.split('/')[0] ?? path;
const isAllowed = (path: string, imported: string): boolean => {
  const part = partOf(path);
  return (
    partOf(imported) === part ||
    (MAY[part] ?? []).some((may) => imported === may || imported.startsWith(`${may}/`))
  );
};

test('the rules speak of every part, and of no other', () => {
  expect(new Set(files.map(({ path }) => partOf(path)))).toEqual(new Set(Object.keys(MAY)));
});

describe.each(Object.keys(MAY))('%s', (part) => {
  const own = files.filter(({ path }) => partOf(path) === part);

  test('imports only what is below it', () => {
    const wrong = own.flatMap((file) =>
      importsOf(file)
        .filter((imported) => imported.endsWith('.ts') && !isAllowed(file.path, imported))
        .map((imported) => `${file.path} imports ${imported}`),
    );
    expect(wrong).toEqual([]);
  });

  test('knows GitHub’s libraries only where GitHub is known', () => {
    const knows = own.filter((file) => importsOf(file).some((name) => name.startsWith('@actions/')));
    const elsewhere = knows
      .map(({ path }) => path)
      .filter((path) => !/^github\/|^store\/artifact/.test(path));
    expect(elsewhere).toEqual([]);
  });
});

describe('every file', () => {
  test('is short: the median at most 60 lines, the longest 250', () => {
    const lines = files
      .map(({ path, text }) => ({ path, count: text.split('\n').length - 1 }))
      .sort((a, b) => a.count - b.count);
    expect(lines.filter(({ count }) => count > 250)).toEqual([]);
    expect(lines[Math.floor(lines.length / 2)]?.count).toBeLessThanOrEqual(60);
  });

  test('has exact types', () => {
    const loose = /[:<|&(,] ?any\b|\bas any\b|\bas unknown as\b|@ts-(ignore|expect-error|nocheck)/;
    const wrong = files.filter(({ text }) => loose.test(text.replace(/^ *(\/\*\*|\*|\/\/).*$/gm, '')));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  test('is given its environment; main.ts reads it, and children inherit it when they are given none', () => {
    const readers = files.filter(({ text }) => /\bprocess\.env\b/.test(text)).map(({ path }) => path);
    expect(new Set(readers)).toEqual(new Set(['main.ts', 'lib/process.ts']));
  });

  test('documents what it exports as a function', () => {
    const bare = files.flatMap(({ path, text }) =>
      [...text.matchAll(/(^.*\n)export (?:async )?function\*? (\w+)/gm)]
        .filter(([, before = '']) => !before.trimEnd().endsWith('*/'))
        .map(([, , name]) => `${path}: ${name}`),
    );
    expect(bare).toEqual([]);
  });
});
