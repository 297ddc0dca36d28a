/** The real pipeline with the real actions: one training over three jobs, each stopped by its time budget, after a smoke test. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseDigest } from '../../src/lib/digest.ts';
import { run } from '../../src/records/run.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getRecord, readBytes } from '../../src/store/records.ts';
import { assertSucceeded, jobOf, outputOf, runAct } from '../support/act.ts';
import { makeUserRepository, moveLibrary } from '../support/act-repositories.ts';
import { startResultsService } from '../support/results-service.ts';

/** Each step depends on the one before. After two steps it waits to be asked to stop, so that no clock decides what a segment does. */
const TRAIN = `
import hashlib, json, os, signal, sys, time
params = json.load(open(os.environ["TRAINYARD_PARAMS_FILE"]))
folder, resume = os.environ["TRAINYARD_CHECKPOINT_DIR"], os.environ.get("TRAINYARD_RESUME_FROM")
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
step, state = json.load(open(resume)) if resume else (0, "seed")
def save():
    with open(f"{folder}/.partial", "w") as file:
        json.dump([step, state], file)
    os.rename(f"{folder}/.partial", f"{folder}/step-{step}{'-stopped' if asked else ''}.json")
for _ in range(params["at-once"]):
    step, state = step + 1, hashlib.sha256(f"{step} {state}".encode()).hexdigest()
    print(f"step {step} after {'nothing' if resume is None else 'a checkpoint'}", flush=True)
    print(json.dumps({"step": step, "loss": 1 / step}), file=open(os.environ["TRAINYARD_METRICS_FILE"], "a"))
    save()
if step < params["steps"]:
    while not asked:
        time.sleep(0.05)
    save()
    sys.exit(143)
open(os.environ["TRAINYARD_OUTPUT_DIR"] + "/model.txt", "w").write(state)
`;

const FILES = {
  'train.py': TRAIN,
  'serve.py': '',
  'requirements.txt': '# Python alone.\n',
  'environments/staging.yml': 'target: {kind: process, port: 8081}\n',
  'trainyard.yml': `name: steps
trainer:
  source: [train.py]
  python: {requirements: requirements.txt}
  command: python -S train.py
  params: {steps: 6, at-once: 2}
  smoke: {params: {steps: 1, at-once: 1}}
model: {files: [model.txt]}
server:
  source: [serve.py]
  python: {requirements: requirements.txt}
  command: python serve.py
  ready: /ready
`,
};

let place: string;
beforeAll(async () => {
  place = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-segments-')));
  for (const [name, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(place, 'project', name)), { recursive: true });
    await writeFile(join(place, 'project', name), text);
  }
});
afterAll(() => rm(place, { recursive: true, force: true }));

/** The model of a training that nobody interrupts. */
async function uninterrupted(): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    TRAINYARD_PARAMS_FILE: join(place, 'params.json'),
    TRAINYARD_CHECKPOINT_DIR: await mkdtemp(join(place, 'whole-')),
    TRAINYARD_METRICS_FILE: join(place, 'metrics.jsonl'),
    TRAINYARD_OUTPUT_DIR: place,
  };
  await writeFile(env.TRAINYARD_PARAMS_FILE, '{"steps": 6, "at-once": 6}');
  await promisify(execFile)('python3', ['-S', join(place, 'project', 'train.py')], { env });
  return readFile(join(place, 'model.txt'), 'utf8');
}

test('the pipeline continues a training over three jobs, after a smoke test, and the model is that of an uninterrupted one', async () => {
  const [store, checkpoints] = [join(place, 'store'), join(place, 'checkpoints')];
  const inputs = { environment: 'staging', store, checkpoints, 'time-budget': '6s', smoke: true };
  const uses = 'trainyard/trainyard/.github/workflows/pipeline.yml@v1';
  const permissions = { contents: 'read', packages: 'write' };
  const workflow = { on: 'push', jobs: { pipeline: { permissions, uses, with: inputs } } };
  const repository = await makeUserRepository({
    place: join(place, 'repository'),
    projects: { '.': join(place, 'project') },
    templates: { 'pipeline.yml': 'trainyard-pipeline.yml' },
    edit: () => JSON.stringify(workflow),
  });
  const library = await moveLibrary(join(place, 'library'));
  const service = await startResultsService();
  const machine = { TRAINYARD_LEASES: join(place, 'leases') };
  const options = { place, repository, library, workflow: 'pipeline.yml', results: service.url, machine };
  const result = await runAct(options).finally(() => service.close());
  assertSucceeded(result);
  const segments = ['train-1', 'train-2', 'train-3'];
  expect(Object.keys(result.jobs)).toEqual(['build', 'smoke', ...segments, 'package', 'release']);
  expect(jobOf(result, 'smoke').summary).toContain('smoke test passed');
  const states = segments.map((job) => outputOf(result, job, 'state'));
  expect(states).toEqual(['checkpointed', 'checkpointed', 'succeeded']);
  const ids = segments.map((job) => outputOf(result, job, 'training-id'));
  expect(new Set(ids)).toEqual(new Set([outputOf(result, 'build', 'training-id')]));

  const yard = new LayoutStore(store);
  const digest = parseDigest(outputOf(result, 'train-3', 'run'), 'run');
  const { config, manifest } = await getRecord(yard, run, digest);
  expect(config.segments.map(({ state, resumedFrom }) => [state, resumedFrom?.name])).toEqual([
    ['checkpointed', undefined],
    ['checkpointed', 'step-2-stopped.json'],
    ['succeeded', 'step-4-stopped.json'],
  ]);
  expect(config.previous).toBe(outputOf(result, 'train-2', 'segment'));
  const model = manifest.layers.find(({ annotations }) =>
    Object.values(annotations ?? {}).includes('model.txt'),
  );
  if (model === undefined) throw new Error('the Run has no model');
  expect((await readBytes(yard, model.digest)).toString()).toBe(await uninterrupted());
  const said = segments.map((job) => jobOf(result, job).log.match(/^step \d after .*$/gm));
  expect(said.flat()).toEqual([
    'step 1 after nothing',
    'step 2 after nothing',
    ...[3, 4, 5, 6].map((step) => `step ${step} after a checkpoint`),
  ]);
}, 180_000);
