import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { type Machine, servingMachine } from '../support/machines.ts';
import { makeRepository, type Repository } from '../support/project.ts';
import { runStep, type StepResult } from '../support/step.ts';

// Real environments are made, and real programs train and serve.
jest.setTimeout(180_000);

const TRAIN = `import json, os, sys
out, steps = os.environ['TRAINYARD_OUTPUT_DIR'], int(sys.argv[1].split('=')[1])
open(out + '/model.json', 'w').write(json.dumps({'steps': steps}))
request, response = {'method': 'GET', 'path': '/steps'}, {'body': {'steps': steps}}
open(out + '/golden.jsonl', 'w').write(json.dumps({'request': request, 'response': response}))
open(os.environ['TRAINYARD_METRICS_FILE'], 'w').write(json.dumps({'step': steps, 'score': steps / 10}))
`;

const SERVE = `import http.server, json, os, sys
model = json.load(open(sys.argv[1]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({**model, 'limit': os.environ['LIMIT']} if self.path == '/steps' else {}).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', int(sys.argv[2])), Handler).serve_forever()
`;

const YML = `name: toy
trainer:
  source: [train.py]
  python: {requirements: none.txt}
  command: python train.py \${params}
  params: {steps: 3}
metrics: {score: {goal: maximize, min: 0.2}}
model: {files: [model.json]}
server:
  source: [serve.py]
  python: {requirements: none.txt}
  command: python serve.py \${model} \${port}
  ready: /ready
  golden: golden.jsonl
`;

let machine: Machine;
let repository: Repository;
beforeAll(async () => {
  machine = await servingMachine();
  repository = await makeRepository(join(machine.root, 'repository'), {
    files: {
      'trainyard.yml': YML,
      'train.py': TRAIN,
      'serve.py': SERVE,
      'none.txt': '# nothing but Python itself\n',
      'environments/test.yml': `target: {kind: process, port: ${machine.port}}\nconfig: {LIMIT: 5}\n`,
    },
  });
});
afterAll(() => machine.remove());

async function line(inputs: Readonly<Record<string, string>> = {}): Promise<StepResult> {
  const PATH = `${dirname(await tool('uv'))}:${process.env.PATH}`;
  const places = {
    TRAINYARD_STATE: join(machine.root, 'state'),
    TRAINYARD_CACHE: join(machine.root, 'cache'),
  };
  return runStep(
    'line',
    { project: '.', params: '', environment: 'test', store: join(machine.root, 'yard'), ...inputs },
    { PATH, ...places, GITHUB_WORKSPACE: repository.folder, GITHUB_ACTIONS: 'true' },
    undefined,
    join(machine.dist, 'front', 'index.js'),
  );
}

const answer = async (): Promise<unknown> => JSON.parse((await machine.get('/steps')).body);

describe('the whole line in one step', () => {
  let first: StepResult;

  test('takes a commit to a service', async () => {
    first = await line();
    expect({ status: first.status, stderr: first.stderr }).toEqual({ status: 0, stderr: '' });
    expect(Object.keys(first.outputs).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      'deployment',
      'endpoint',
      'image',
      'metrics',
      'outcome',
      'package',
      'release',
      'run',
      'server',
      'state',
      'trainer',
      'training-id',
    ]);
    expect(first.outputs).toMatchObject({ outcome: 'live', state: 'succeeded', metrics: '{"score":0.3}' });
    expect(await answer()).toEqual({ steps: 3, limit: '5' });
    expect(first.summary.split('\n')[0]).toMatch(/^### 🟢 test · toy <code>\w{12}<\/code> live/);
    expect(first.summary.match(/^### .*$/gm)).toHaveLength(5);
  });

  test('trains nothing and deploys nothing when nothing has changed, with the same outputs', async () => {
    const { outputs, summary } = await line();
    const { deployment, ...same } = outputs;
    expect(same).toEqual({ ...first.outputs, deployment: undefined, outcome: 'unchanged' });
    expect(deployment).not.toBe(first.outputs.deployment);
    expect(summary).toContain('nothing to train');
  });

  test('trains with other parameters', async () => {
    const { outputs } = await line({ params: 'steps: 4' });
    expect(outputs).toMatchObject({
      trainer: first.outputs.trainer,
      outcome: 'live',
      metrics: '{"score":0.4}',
    });
    expect(await answer()).toEqual({ steps: 4, limit: '5' });
  });

  test('holds nothing when what was live before comes again: nobody named it', async () => {
    expect((await line()).outputs).toMatchObject({ release: first.outputs.release, outcome: 'live' });
    expect((await line({ params: 'steps: 4' })).outputs.outcome).toBe('live');
    expect(await answer()).toEqual({ steps: 4, limit: '5' });
  });

  test('stops at the stage that fails, says which, and leaves the live one serving', async () => {
    const { status, outputs, stdout, summary } = await line({ params: 'steps: 1' });
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /^::error::package-model: the model does not hold its thresholds: score is 0\.1, and must be ≥ 0\.2/m,
    );
    expect(outputs).toMatchObject({ state: 'succeeded', package: '' });
    expect(outputs.release).toBeUndefined();
    expect(summary.split('\n')[0]).toMatch(/^### ❌ toy · run/);
    expect(await answer()).toEqual({ steps: 4, limit: '5' });
  });

  test('tells a mistyped environment before it trains', async () => {
    const { status, stdout } = await line({ environment: 'nowhere', params: 'steps: 3' });
    expect(status).toBe(1);
    expect(stdout).toMatch(/^::error::input environment is nowhere, .*; it has test$/m);
    expect(stdout).not.toContain('training id');
  });
});
