/** The committed bundle as a runner starts it: each stub a process of its own, INPUT_* and nothing else of a workflow. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { tool } from '../scripts/tools.ts';
import { commit } from './support/act-repositories.ts';
import { freePort } from './support/digits.ts';
import { endProcessesOf } from './support/processes.ts';
import { makeRepository } from './support/project.ts';
import { NODE, parseOutputs } from './support/step.ts';

type Texts = Readonly<Record<string, string>>;

/** One developer's place: a checkout, a folder store, and habits of their own. */
interface Place {
  readonly folder: string;
  readonly umask: string;
  readonly env: Texts;
}

/** One file is large enough that it is hashed in a thread, whose code must be whole in the bundle. */
const TRAINER = `import os
output = os.environ['TRAINYARD_OUTPUT_DIR']
open(output + '/model.json', 'w').write('{}')
open(output + '/large', 'wb').write(bytes(5 << 20))
`;
const SERVER =
  'import http.server, sys\nhttp.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()\n';

let root: string;
let path: string;
let first: Place;
let second: Place;
let port: number;

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-dist-')));
  path = `${join(await tool('uv'), '..')}:${process.env.PATH}`;
  port = await freePort();
  first = { folder: join(root, 'first'), umask: '022', env: { TZ: 'UTC', LANG: 'C.UTF-8' } };
  second = { folder: join(root, 'a second', 'place'), umask: '077', env: { TZ: 'Asia/Tokyo', LANG: 'C' } };
  await makeProject(first, '2020-01-01T00:00:00Z');
  await makeProject(second, '2026-06-30T12:00:00+09:00');
}, 120_000);

afterAll(async () => {
  await endProcessesOf(root);
  await rm(root, { recursive: true, force: true });
}, 60_000);

async function makeProject({ folder }: Place, date: string): Promise<void> {
  const { folder: repository } = await makeRepository(join(folder, 'repository'), {
    files: {
      'trainyard.yml': `name: tiny
trainer: {source: [train.py], python: {requirements: requirements.txt}, command: python train.py}
model: {files: [model.json]}
server: {source: [serve.py], python: {requirements: requirements.txt}, command: "python serve.py \${port}", ready: /}
`,
      'requirements.txt': '# nothing is needed\n',
      'train.py': TRAINER,
      'serve.py': SERVER,
      'environments/local.yml': `target: {kind: process, port: ${port}}\n`,
    },
  });
  await writeFile(join(repository, 'DATE'), date);
  await commit(repository, `At another time: ${date}`);
}

/** Runs a stub as `node dist/NAME/index.js`, under the umask and the variables of the place. */
async function step(name: string, place: Place, inputs: Texts): Promise<Texts> {
  const folder = await mkdtemp(join(root, 'step-'));
  await writeFile(join(folder, 'output'), '');
  const given = Object.entries({
    project: '.',
    store: join(place.folder, 'yard'),
    handoff: join(place.folder, 'yard'),
    ...inputs,
  });
  const stub = join(import.meta.dirname, '..', 'dist', name, 'index.js');
  const child = spawn(NODE, ['--import', `data:text/javascript,process.umask(0o${place.umask})`, stub], {
    cwd: join(place.folder, 'repository'),
    env: {
      PATH: path,
      HOME: process.env.HOME,
      ...place.env,
      TRAINYARD_STATE: join(place.folder, 'state'),
      GITHUB_OUTPUT: join(folder, 'output'),
      ...Object.fromEntries(given.map(([input, value]) => [`INPUT_${input.toUpperCase()}`, value])),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${(await said).join('\n')}`);
  return parseOutputs(await readFile(join(folder, 'output'), 'utf8'));
}

function get(outputs: Texts, name: string): string {
  const { [name]: value = '' } = outputs;
  return value;
}

test('the actions run one after another, and Program, Package and Release have the same digests in another place', async () => {
  const built = await step('build', first, {});
  const { run = '', state } = await step('train', first, { trainer: get(built, 'trainer') });
  expect(state).toBe('succeeded');
  const again = await step('build', second, {});
  expect(again).toEqual(built);

  // A Run is an event, so both package the same one.
  await mkdir(join(second.folder, 'handoff'), { recursive: true });
  await cp(join(first.folder, 'yard'), join(second.folder, 'handoff'), { recursive: true });
  const inputs = {
    trainer: get(built, 'trainer'),
    server: get(built, 'server'),
    'training-id': get(built, 'training-id'),
    run,
  };
  const packaged = await step('package-model', first, inputs);
  expect(await step('package-model', second, { ...inputs, handoff: join(second.folder, 'handoff') })).toEqual(
    packaged,
  );

  const choice = { package: get(packaged, 'package'), environment: 'local' };
  const { release = '' } = await step('release-config', first, choice);
  expect(await step('release-config', second, choice)).toMatchObject({ release });

  const { endpoint = '', outcome } = await step('deploy', second, { release });
  expect(outcome).toBe('live');
  expect(await (await fetch(`${endpoint}/.trainyard/release`)).json()).toMatchObject({ release });
  const { lineage = '' } = await step('trace', second, { of: endpoint });
  expect(lineage).toContain(run);
}, 120_000);
