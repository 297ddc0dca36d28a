/** The whole line in one step, and trace after it, as their action.yml shows them. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { usageOf } from '../../scripts/docs.ts';
import { assertSucceeded, jobOf, outputOf } from '../support/act.ts';
import { commit } from '../support/act-repositories.ts';
import { makeTeam, type Team } from '../support/act-user.ts';
import { ask } from '../support/digits.ts';
import { root } from '../support/workflow-files.ts';

let team: Team | undefined;

afterEach(() => team?.close(), 60_000);

function stepsOf(file: string, store: string): object[] {
  const usage = usageOf(readFileSync(join(root, file), 'utf8'))
    .replace('/srv/yard', store)
    .replace('http://127.0.0.1:8080', '${{ steps.line.outputs.endpoint }}');
  return parse(usage).steps;
}

test('one step takes a commit to a service that can be traced', async () => {
  team = await makeTeam({ 'models/digits': 'digits' }, {});
  const steps = [...stepsOf('action.yml', team.store), ...stepsOf('actions/trace/action.yml', team.store)];
  const workflow = { on: 'push', permissions: {}, jobs: { all: { 'runs-on': 'self-hosted', steps } } };
  await writeFile(join(team.repository, 'all.yml'), stringify(workflow));
  const head = await commit(team.repository, 'The whole line');
  const result = await team.act({ workflow: '../../all.yml' });
  assertSucceeded(result);
  const { release, label } = await ask(outputOf(result, 'all', 'endpoint'));
  expect(release).toBe(outputOf(result, 'all', 'release'));
  expect(label).toBe(9);
  const lineage = outputOf(result, 'all', 'lineage');
  for (const part of ['deployment', 'release', 'package', 'run', 'trainer']) {
    expect(lineage).toContain(outputOf(result, 'all', part));
  }
  expect(lineage).toContain(head);
  expect(jobOf(result, 'all').summary).toContain('```mermaid');
}, 300_000);
