/** Which job of a template waits for which other one. */
import { expect, test } from '@jest/globals';
import { readWorkflow, workflowFiles } from '../support/workflow-files.ts';

const templates = workflowFiles
  .filter((file) => file.startsWith('workflows/'))
  .map((file) => ({ name: file.replace(/.*trainyard-|\.yml/g, ''), workflow: readWorkflow(file) }));

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
