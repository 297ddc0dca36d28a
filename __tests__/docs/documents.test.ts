/** What the documents say can be checked without running it: links, YAML, tables of names. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';
import { clusterObject } from '../../src/records/cluster.ts';
import { environmentSchema } from '../../src/source/environment.ts';
import { projectSchema } from '../../src/source/project.ts';
import { parseYaml } from '../../src/source/yaml.ts';
import { openManifests } from '../../src/source/yaml-source.ts';
import { callFaults } from '../support/calls.ts';
import { anchorsOf, blocksOf, documents, linksOf, textOf } from '../support/documents.ts';
import { actionFiles, parseWorkflow, root } from '../support/workflow-files.ts';

describe.each(documents)('%s', (file) => {
  test('links to what is there', () => {
    for (const { path, anchor } of linksOf(file)) {
      const target = path === '' ? file : relative(root, join(root, dirname(file), path));
      expect([file, target, existsSync(join(root, target))]).toEqual([file, target, true]);
      if (anchor !== '')
        expect([target, anchorsOf(target)]).toEqual([target, expect.arrayContaining([anchor])]);
    }
  });

  test('shows YAML that is accepted', () => {
    const blocks = blocksOf(file).filter(({ language }) => language === 'yaml');
    for (const { line, text } of blocks) expect([line, faultsOf(text)]).toEqual([line, []]);
  });

  test('shows JSON that is JSON', () => {
    for (const { language, text } of blocksOf(file)) if (language === 'json') JSON.parse(text);
  });
});

/** A block is a project, an environment, objects of Kubernetes, a workflow, or the keys of one job: its first comment or its keys say which. */
function faultsOf(text: string): string[] {
  if (text.startsWith('# trainyard.yml\n')) return parseFaults(text, projectSchema);
  if (text.startsWith('# environments/')) return parseFaults(text, environmentSchema);
  if (/^apiVersion: /m.test(text)) return objectFaults(text);
  const keys: unknown = parse(text);
  if (!isObject(keys) || !('jobs' in keys || 'steps' in keys)) return ['it is nothing that this test knows'];
  const workflow = 'jobs' in keys ? keys : { jobs: { shown: { ...keys, needs: [] } } };
  // A part of a workflow may read what the rest of it gives.
  return callFaults(parseWorkflow(JSON.stringify({ on: {}, ...workflow }))).filter(
    (fault) => !fault.includes('reads needs.'),
  );
}

/** Objects of Kubernetes; a real API server is given them in __tests__/engines/kubernetes-docs.test.ts. */
function objectFaults(text: string): string[] {
  return openManifests('shown', text).flatMap(({ value, place }) =>
    clusterObject.safeParse(value).success ? [] : [`${place([])}: no object of Kubernetes`],
  );
}

function parseFaults(text: string, schema: z.ZodType): string[] {
  try {
    parseYaml('shown', text, schema);
    return [];
  } catch (error) {
    return [String(error)];
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

const readme = textOf('README.md');
const manifest = z
  .object({
    scripts: z.record(z.string(), z.string()),
    dependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));

test('the README names every action', () => {
  const paths = actionFiles.map((path) => (path === 'action.yml' ? path : dirname(path)));
  for (const path of paths) expect(readme).toContain(`](${path})`);
});

test('the README names every dependency with its version, and no other', () => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  const table = readme.split('### Dependencies')[1]?.split('\n## ')[0] ?? '';
  const named = [...table.matchAll(/`([@a-z][\w/.-]*)` (\d+\.\d+\.\d+)/g)].map(([, name, version]) => [
    name,
    version,
  ]);
  expect(Object.fromEntries(named)).toEqual(all);
});

test('the README and CONTRIBUTING name every npm script', () => {
  for (const name of Object.keys(manifest.scripts)) {
    const command = name === 'test' ? '`npm test`' : `\`npm run ${name}\``;
    for (const file of ['README.md', 'CONTRIBUTING.md']) expect(textOf(file)).toContain(command);
  }
});

test('the templates and the README name the same variables', () => {
  const variables = (text: string): Set<string> => new Set(text.match(/TRAINYARD_[A-Z_]+/g));
  const template = variables(textOf('workflows/trainyard-pipeline.yml'));
  const table = readme.split('| variable |')[1]?.split('\n\n')[0] ?? '';
  expect(variables(table)).toEqual(template);
});

test.each([
  ['an unknown key', '# trainyard.yml\nnane: x\n'],
  ['an unknown input', 'steps:\n  - uses: trainyard/trainyard/actions/deploy@v1\n    with: {releese: x}\n'],
  ['an action that is not there', 'steps:\n  - uses: trainyard/trainyard/actions/deplot@v1\n'],
])('a block with %s is found', (_what, text) => {
  expect(faultsOf(text)).not.toEqual([]);
});
