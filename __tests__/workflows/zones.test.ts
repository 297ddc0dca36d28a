import { describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { permissionsIn } from '../support/calls.ts';
import { parseWorkflow, readWorkflow, type Workflow, workflowFiles } from '../support/workflow-files.ts';
import { zoneFaults } from '../support/zones.ts';

test.each(workflowFiles)('the zones of %s hold', (file) => {
  expect(zoneFaults(readWorkflow(file), readWorkflow)).toEqual([]);
});

const TRAINING = ['smoke', 'train-1', 'train-2', 'train-3', 'train-4', 'train-5'];
/** The jobs that run the user's code, at a path. */
const training = (path: string) => Object.fromEntries(TRAINING.map((job) => [`${path}/${job}`, []]));

/** Deploying by hand asks for no ancestor. */
const BY_HAND = ['packages: write', 'deployments: write', 'actions: read'];
const BY_PIPELINE = [...BY_HAND, 'contents: read'];

/** What docs/stores.md says of permissions. */
const TEMPLATES = {
  pipeline: {
    'pipeline/train/build': ['contents: read', 'packages: read'],
    ...training('pipeline/train'),
    'pipeline/package': ['contents: read', 'packages: write'],
    'pipeline/release': ['contents: read', 'packages: write'],
    deploy: BY_PIPELINE,
  },
  retrain: {
    'pipeline/train/build': ['contents: read', 'packages: read'],
    ...training('pipeline/train'),
    'pipeline/package': ['contents: read', 'packages: write'],
    'pipeline/release': ['contents: read', 'packages: write'],
    deploy: BY_PIPELINE,
  },
  'pull-request': { 'train/build': ['contents: read'], ...training('train') },
  'long-training': {
    'pipeline/train/build': ['contents: read', 'packages: read'],
    ...training('pipeline/train'),
    'pipeline/package': ['contents: read', 'packages: write'],
    'pipeline/release': ['contents: read', 'packages: write'],
    again: ['actions: write'],
  },
  release: { release: ['contents: read', 'packages: write'], deploy: BY_HAND },
  promote: { release: ['contents: read', 'packages: write'], deploy: BY_HAND },
  rollback: { deploy: BY_HAND },
  lift: { deploy: BY_HAND },
  rerun: { rerun: ['actions: write', 'checks: read'] },
};

test.each(Object.entries(TEMPLATES))('each job of the template %s has what it needs', (name, jobs) => {
  expect(permissionsIn(readWorkflow(`workflows/trainyard-${name}.yml`))).toEqual(jobs);
});

describe('a fault that is planted is found:', () => {
  const train = '.github/workflows/train.yml';
  const pipeline = '.github/workflows/pipeline.yml';
  const template = 'workflows/trainyard-pipeline.yml';

  /** Each plant: what it is, where, the path of the key and the value put there (undefined removes it), and what is said. */
  const plants: [what: string, file: string, path: string[], value: unknown, said: string][] = [
    [
      'id-token',
      train,
      ['jobs', 'train-1', 'permissions'],
      { 'id-token': 'write' },
      'job train-1 trains with id-token: write',
    ],
    [
      'a write permission',
      train,
      ['jobs', 'train-1', 'permissions'],
      { packages: 'write' },
      'job train-1 trains with packages: write',
    ],
    [
      'read access',
      train,
      ['jobs', 'train-1', 'permissions'],
      { contents: 'read' },
      'job train-1 trains with contents: read',
    ],
    [
      'write-all',
      train,
      ['jobs', 'train-1', 'permissions'],
      'write-all',
      'job train-1 trains with permissions write-all',
    ],
    [
      'permissions of the workflow',
      train,
      ['permissions'],
      { contents: 'write' },
      'job train-1 trains with contents: write',
    ],
    [
      'a secret for a step',
      train,
      ['jobs', 'train-1', 'env'],
      { KEY: '${{ secrets.KEY }}' },
      'job train-1 trains and is given a secret',
    ],
    [
      'a secret for all jobs',
      train,
      ['env'],
      { KEY: '${{ secrets.KEY }}' },
      'job train-1 trains and is given a secret',
    ],
    [
      'the token',
      train,
      ['jobs', 'train-1', 'env'],
      { T: '${{ github.token }}' },
      'job train-1 trains and is given the token',
    ],
    [
      'an environment',
      train,
      ['jobs', 'train-1', 'environment'],
      'production',
      'job train-1 trains and has an environment',
    ],
    [
      'a checkout',
      train,
      ['jobs', 'train-1', 'steps', '1'],
      { uses: 'actions/checkout@v7' },
      'job train-1 trains and checks source out',
    ],
    [
      'another step',
      train,
      ['jobs', 'train-1', 'steps', '1'],
      { run: 'true' },
      'job train-1 trains and has other steps',
    ],
    [
      'a training in the build job',
      train,
      ['jobs', 'build', 'steps', '2'],
      { uses: '$/actions/train' },
      'job build trains with the default permissions',
    ],
    [
      'the whole line in one step',
      train,
      ['jobs', 'build', 'steps', '2'],
      { uses: 'trainyard/trainyard@v1' },
      'job build trains and checks source out',
    ],
    [
      'trainings for forks',
      train,
      ['jobs', 'train-1', 'if'],
      "needs.build.outputs.run == ''",
      'job train-1 trains for pull requests of forks',
    ],
    [
      'a way around the fork check',
      train,
      ['jobs', 'train-1', 'if'],
      "always() || (github.event_name != 'pull_request')",
      'job train-1 trains for pull requests of forks',
    ],
    [
      'a write permission for the called workflow',
      pipeline,
      ['jobs', 'train', 'permissions'],
      { packages: 'write' },
      'job train trains with packages: write',
    ],
    [
      'an identity for the called workflow',
      template,
      ['jobs', 'pipeline', 'permissions'],
      { contents: 'read', packages: 'write', 'id-token': 'write' },
      'job pipeline trains with id-token: write',
    ],
    [
      'the credential of a registry',
      train,
      ['jobs', 'train-1', 'env'],
      { DOCKER_AUTH_CONFIG: '${{ secrets.registry-auth }}' },
      'job train-1 trains and is given a secret',
    ],
    [
      'another secret for the called workflow',
      template,
      ['jobs', 'pipeline', 'secrets'],
      { 'registry-auth': '${{ secrets.A }}', key: '${{ secrets.KEY }}' },
      'job pipeline trains and is given a secret',
    ],
    [
      'a secret as an input of the called workflow',
      template,
      ['jobs', 'pipeline', 'with', 'params'],
      '${{ secrets.KEY }}',
      'job pipeline trains and is given a secret',
    ],
    [
      'all secrets for the called workflow',
      template,
      ['jobs', 'pipeline', 'secrets'],
      'inherit',
      'job pipeline trains and is given a secret',
    ],
    [
      'default permissions',
      train,
      ['permissions'],
      undefined,
      'job train-1 trains with the default permissions',
    ],
    [
      'a later job without condition',
      pipeline,
      ['jobs', 'package', 'if'],
      undefined,
      'job package comes after a training and lacks "!cancelled()"',
    ],
    [
      'a condition without result',
      pipeline,
      ['jobs', 'release', 'if'],
      "!cancelled() && needs.package.outputs.package != ''",
      'job release comes after a training and lacks "needs.package.result == \'success\'"',
    ],
    [
      'a condition without output',
      template,
      ['jobs', 'deploy', 'if'],
      "!cancelled() && needs.pipeline.result == 'success'",
      'job deploy comes after a training and lacks "needs.pipeline.outputs.Y != \'\'"',
    ],
    [
      'a condition with a way around it',
      template,
      ['jobs', 'deploy', 'if'],
      "always() || !cancelled() && needs.pipeline.result == 'success'",
      'job deploy comes after a training and lacks "!cancelled()"',
    ],
    [
      'a way around the smoke test',
      train,
      ['jobs', 'train-1', 'if'],
      "!cancelled() && (!inputs.smoke || needs.smoke.result != 'failure')",
      'job train-1 comes after a training and lacks "needs.smoke.result == \'success\'"',
    ],
    [
      'a segment after one that did not write a checkpoint',
      train,
      ['jobs', 'train-3', 'if'],
      "!cancelled() && needs.train-2.result == 'success' && needs.train-2.outputs.state == ''",
      'job train-3 comes after a training and lacks "needs.train-2.outputs.Y != \'\'"',
    ],
    [
      'a secret for the smoke test',
      train,
      ['jobs', 'smoke', 'env'],
      { KEY: '${{ secrets.KEY }}' },
      'job smoke trains and is given a secret',
    ],
    [
      'a checkout after another workflow',
      'workflows/trainyard-rerun.yml',
      ['jobs', 'rerun', 'steps', '1'],
      { uses: 'actions/checkout@v7' },
      'event workflow_run is not allowed',
    ],
    [
      'a dangerous event',
      template,
      ['on', 'pull_request_target'],
      {},
      'event pull_request_target is not allowed',
    ],
  ];

  test.each(plants)('%s', (_what, file, path, value, said) => {
    const workflow: Workflow = structuredClone(readWorkflow(file));
    if (path[0] === 'permissions') delete workflow.jobs['train-1']?.permissions;
    plant(workflow, path, value);
    expect(zoneFaults(parseWorkflow(stringify(workflow)), readWorkflow)).toContain(said);
  });
});

/** Sets or removes the value at a path. */
function plant(place: object, [key = '', ...rest]: string[], value: unknown): void {
  if (rest.length > 0) plant(Reflect.get(place, key), rest, value);
  else if (value === undefined) Reflect.deleteProperty(place, key);
  else Reflect.set(place, key, value);
}
