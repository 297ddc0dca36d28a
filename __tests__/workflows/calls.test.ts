import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';
import { usageOf } from '../../scripts/docs.ts';
import { callFaults, grantFaults } from '../support/calls.ts';
import {
  actionFiles,
  ownPath,
  parseWorkflow,
  readAction,
  readWorkflow,
  root,
  workflowFiles,
} from '../support/workflow-files.ts';

const text = (file: string): string => readFileSync(join(root, file), 'utf8');

describe.each(workflowFiles)('%s', (file) => {
  const workflow = readWorkflow(file);
  const jobs = Object.entries(workflow.jobs);
  const steps = jobs.flatMap(([, job]) => job.steps);

  test('calls what is there, with the inputs that it declares', () => {
    expect(callFaults(workflow)).toEqual([]);
  });

  test('grants what it calls all that it asks for', () => {
    expect(grantFaults(workflow)).toEqual([]);
  });

  test("pins other people's actions by commit, with the version beside it", () => {
    const others = text(file)
      .split('\n')
      .filter((line) => / uses: /.test(line) && !ownPath(line.split(' uses: ')[1]?.split(' ')[0] ?? ''));
    for (const line of others) expect(line).toMatch(/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('grants nothing on top, and gives a reason beside each permission of a job', () => {
    const silent = jobs.filter(([, job]) => job.permissions === undefined).map(([name]) => name);
    // Its build has what the caller grants; the file says why.
    const isTrain = file === '.github/workflows/train.yml';
    expect([workflow.permissions, silent]).toEqual(isTrain ? [undefined, ['build']] : [{}, []]);
    const granted = text(file)
      .split('\n')
      .filter((line) => /^ +[\w-]+: (?:read|write)\b/.test(line));
    for (const line of granted) expect(line).toMatch(/ # \w+/);
  });

  test('has no logic in its text: no expression in a script, no credentials left by a checkout, a time limit', () => {
    for (const { run } of steps) expect(run ?? '').not.toContain('${{');
    const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'));
    for (const checkout of checkouts) expect(checkout.with['persist-credentials']).toBe(false);
    for (const [name, job] of jobs)
      expect([name, job['timeout-minutes'] !== undefined]).toEqual([name, job.uses === undefined]);
  });
});

describe.each(workflowFiles.filter((file) => file.startsWith('workflows/')))('%s, as a template,', (file) => {
  test('has what GitHub shows of a starter workflow', () => {
    const Properties = z.strictObject({
      name: z.string().min(1),
      description: z.string().min(1),
      iconName: z.string().regex(/^octicon-/),
      categories: z.array(z.string()).min(1),
    });
    const properties = Properties.parse(JSON.parse(text(file.replace('.yml', '.properties.json'))));
    expect(properties.name).toBe(parse(text(file)).name);
  });

  test('calls this library by its major version', () => {
    expect(text(file)).not.toMatch(/uses: [$.]\//);
  });
});

test('every template that trains is run again when its runner is lost', () => {
  const training = workflowFiles.filter((file) =>
    /uses: trainyard\/.*\/(?:train|pipeline)\.yml@/.test(text(file)),
  );
  const names = training.map((file) => parse(text(file)).name);
  const { workflows } = parse(text('workflows/trainyard-rerun.yml')).on.workflow_run;
  expect(workflows).toEqual(names.toSorted());
});

describe.each(actionFiles)('%s', (file) => {
  const action = readAction(file);

  test('has a stub in dist', () => {
    expect(action.runs.main).toMatch(
      file === 'action.yml' ? /^dist\/line\/index\.js$/ : /^\.\.\/\.\.\/dist\/[\w-]+\/index\.js$/,
    );
    expect(existsSync(join(root, file, '..', action.runs.main))).toBe(true);
  });

  test('declares the inputs that its code reads', async () => {
    const name = file === 'action.yml' ? 'line' : file.split('/')[1];
    const Module = z.object({ action: z.object({ inputNames: z.array(z.string()) }) });
    const { inputNames } = Module.parse(await import(`../../src/actions/${name}.ts`)).action;
    expect(inputNames).toEqual(Object.keys(action.inputs));
  });

  test('shows a usage that it accepts', () => {
    const job = { 'runs-on': 'x', ...parse(usageOf(text(file))) };
    const faults = callFaults(parseWorkflow(JSON.stringify({ on: {}, jobs: { job } })));
    // The jobs that it needs are not shown.
    expect(faults.filter((fault) => !fault.includes('needs.'))).toEqual([]);
  });
});

test.each(['pipeline', 'train'])('each checkout of %s is what its caller asks for', (name) => {
  const { jobs } = readWorkflow(`.github/workflows/${name}.yml`);
  const checkouts = Object.values(jobs)
    .flatMap(({ steps }) => steps)
    .filter(({ uses }) => uses?.startsWith('actions/checkout@'));
  expect(checkouts.length).toBeGreaterThan(0);
  for (const checkout of checkouts)
    expect(checkout.with).toMatchObject({
      ref: '${{ inputs.commit }}',
      lfs: '${{ inputs.lfs }}',
      submodules: '${{ inputs.submodules }}',
    });
});

test('a call with a mistake is found', () => {
  const jobs = {
    a: { uses: './.github/workflows/none.yml' },
    b: {
      steps: [{ id: 's', uses: '$/actions/build', with: { projekt: '.' } }],
      outputs: { x: '${{ steps.s.outputs.y }}' },
    },
    c: {
      needs: 'b',
      steps: [
        { uses: 'trainyard/trainyard/actions/train@v1', with: { trainer: '${{ needs.b.outputs.z }}' } },
      ],
    },
    d: { uses: '$/.github/workflows/pipeline.yml', secrets: { 'registry-auht': '${{ secrets.A }}' } },
  };
  const workflow = parseWorkflow(JSON.stringify({ on: {}, permissions: {}, jobs }));
  expect(callFaults(workflow)).toEqual([
    'job a calls ./.github/workflows/none.yml, which is not there',
    'job b gives $/actions/build the unknown input projekt',
    'job d gives $/.github/workflows/pipeline.yml the unknown secret registry-auht',
    'job d does not give $/.github/workflows/pipeline.yml its input environment',
    'job b reads steps.s.outputs.y, which is not there',
    'job c reads needs.b.outputs.z, which is not there',
  ]);
  delete workflow.jobs.a;
  expect(grantFaults(workflow)).toContain(
    'job d does not grant .github/workflows/pipeline.yml contents: read',
  );
});

test('a pull request could not start if build asked for packages: read', () => {
  const file = '.github/workflows/train.yml';
  const asking = readWorkflow(file);
  for (const [name, job] of Object.entries(asking.jobs))
    if (name === 'build') job.permissions = { contents: 'read', packages: 'read' };
  const faults = (template: string): string[] =>
    grantFaults(readWorkflow(`workflows/trainyard-${template}.yml`), (path) =>
      path === file ? asking : readWorkflow(path),
    );
  expect(faults('pull-request')).toEqual([`job train does not grant ${file} packages: read`]);
  expect(faults('pipeline')).toEqual([]);
});
