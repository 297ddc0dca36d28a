/** Which job of a template waits for which other one. */
import { expect, test } from '@jest/globals';
import { readWorkflow, workflowFiles } from '../support/workflow-files.ts';

const templates = workflowFiles
  .filter((file) => file.startsWith('workflows/'))
  .map((file) => ({ name: file.replace(/.*trainyard-|\.yml/g, ''), workflow: readWorkflow(file) }));

const groupsOf = ({ workflow }: (typeof templates)[number]): string[] =>
  [workflow, ...Object.values(workflow.jobs)].flatMap(({ concurrency }) => concurrency?.group ?? []);

test('copies for two projects of one repository share no group', () => {
  // What tells two copies apart: the name, which is in another line of theirs or asked for, the file, or the run.
  const own = /^digits\/|^\$\{\{ github\.workflow_ref|workflow_run\.id/;
  for (const template of templates)
    for (const group of groupsOf(template))
      expect([template.name, group]).toEqual([template.name, expect.stringMatching(own)]);
});

test('a training on schedule waits for those of the pipeline, and they for it', () => {
  const [pipeline, retrain] = ['pipeline', 'retrain'].map(
    (name) => templates.find((template) => template.name === name)?.workflow.jobs.pipeline?.concurrency,
  );
  expect(pipeline).toEqual({ group: 'digits/${{ github.ref }}', queue: 'max' });
  expect(retrain).toEqual(pipeline);
});

test('a deploy waits for the ones before it, and a way back for none, as one of them may wait for an approval', () => {
  const deploying = templates.filter(({ workflow }) => workflow.jobs.deploy !== undefined);
  const groups = deploying.map(({ name, workflow }) => [
    name,
    workflow.concurrency?.group,
    workflow.jobs.deploy?.concurrency?.group,
  ]);
  const asked = 'digits/${{ inputs.environment }}';
  const usual = "digits/${{ inputs.environment || 'staging' }}";
  expect(groups).toEqual([
    ['lift', undefined, undefined],
    ['pipeline', undefined, usual],
    ['promote', undefined, asked],
    ['release', undefined, asked],
    ['retrain', undefined, usual],
    ['rollback', undefined, undefined],
  ]);
});
