/** The whole action with data from every place, in a process of its own: what the program sees, and what it does not. */
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { digestOfFiles, Hub, type HubFile } from '../../src/data/hub.ts';
import { cacheKey } from '../../src/data/source.ts';
import { digestOf } from '../../src/lib/digest.ts';
import { Web } from '../../src/lib/web.ts';
import { TITLE } from '../../src/records/oci.ts';
import type { DataReference } from '../../src/records/program.ts';
import { OUTPUT_LAYER, run } from '../../src/records/run.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getRecord, readBytes } from '../../src/store/records.ts';
import { type HubHost, startHub } from '../support/hub-host.ts';
import { recordingLog } from '../support/log.ts';
import { putTrainer } from '../support/programs.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { runStep, type StepResult } from '../support/step.ts';
import { startWebHost, type WebHost } from '../support/web-host.ts';
import { digestIn } from '../support/workshop.ts';

const FILES = { 'a/one.txt': '1\n', 'two.bin': '2\n' };
const SECRETS = {
  password: 'pass-word-of-registry',
  netrc: 'pass-word-of-netrc',
  token: 'hf_of-the-machine',
};

let folder: string;
let handoff: LayoutStore;
let web: WebHost;
let hub: HubHost;
let registry: Registry;
let env: Record<string, string>;
const places = new Map<string, DataReference>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-action-data-'));
  handoff = new LayoutStore(join(folder, 'yard'));
  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(folder, 'set', path)), { recursive: true });
    await writeFile(join(folder, 'set', path), text);
  }
  registry = await startRegistry({
    access: { kind: 'bearer', users: { ada: { password: SECRETS.password } } },
    redirect: {},
  });
  web = await startWebHost({ login: `ada:${SECRETS.netrc}` });
  web.files.set('/one.txt', Buffer.from('1\n'));
  hub = await startHub(FILES, { token: SECRETS.token });
  await mkdir(join(folder, 'docker'));
  const auth = Buffer.from(`ada:${SECRETS.password}`).toString('base64');
  await writeFile(
    join(folder, 'docker/config.json'),
    JSON.stringify({ auths: { [registry.host]: { auth } } }),
  );
  await writeFile(join(folder, 'netrc'), `machine 127.0.0.1 login ada password ${SECRETS.netrc}\n`);
  env = {
    PATH: `${dirname(await tool('uv'))}:${process.env.PATH}`,
    TRAINYARD_CACHE: join(folder, 'cache'),
    GITHUB_EVENT_NAME: 'push',
    DOCKER_CONFIG: join(folder, 'docker'),
    NETRC: join(folder, 'netrc'),
    HF_TOKEN: SECRETS.token,
    HF_ENDPOINT: hub.hub.url,
  };
  const repository = `${registry.host}/acme/data`;
  const pushed = await step('data', { path: join(folder, 'set'), name: 'set', store: `oci://${repository}` });
  expect(pushed).toMatchObject({ status: 0, outputs: { reference: `${repository}@${pushed.outputs.data}` } });
  const local = await step('data', { path: join(folder, 'set'), name: 'set', store: handoff.location });
  places.set('oci', { oci: repository, digest: digestIn(pushed.outputs, 'data') });
  places.set('folder', { oci: handoff.location, digest: digestIn(local.outputs, 'data') });
  places.set('https', { https: `${web.url}/one.txt`, digest: digestOf(Buffer.from('1\n')) });
  places.set('hf', {
    hf: 'acme/digits',
    type: 'dataset',
    commit: hub.commit,
    digest: digestOfFiles(await listed()),
  });
}, 120_000);
afterAll(async () => {
  await Promise.all([web.close(), hub.close(), registry.close()]);
  await rm(folder, { recursive: true, force: true });
});

const step = (action: string, inputs: Record<string, string>): Promise<StepResult> =>
  runStep(action, inputs, env);

function listed(): Promise<HubFile[]> {
  const options = { log: recordingLog(), signal: new AbortController().signal, env: {} };
  const repository = { name: 'acme/digits', type: 'dataset' as const, revision: hub.commit };
  return new Hub(new Web(options), env).files(repository, undefined);
}

/** Runs a script with a data set; gives what it wrote into the file `out`. */
async function train(place: string, script: string): Promise<{ result: StepResult; out: string }> {
  const reference = places.get(place);
  if (reference === undefined) throw new Error(place);
  const config = { command: ['sh', 'train.sh', '${data.set}'], data: { set: reference } };
  const { digest } = await putTrainer(handoff, { 'train.sh': script }, config);
  const result = await step('train', { trainer: digest, params: '', handoff: handoff.location });
  if (result.status !== 0) throw new Error(`${place}: ${result.stdout}${result.stderr}`);
  const { config: found, manifest } = await getRecord(handoff, run, digestIn(result.outputs, 'run'));
  expect(found.data).toEqual({ set: reference.digest });
  const layer = manifest.layers.find(
    ({ mediaType, annotations }) => mediaType === OUTPUT_LAYER && annotations?.[TITLE] === 'out',
  );
  return { result, out: (await readBytes(handoff, layer?.digest ?? 'sha256:')).toString() };
}

/** Every file of the data, wherever it is; then all that the program can see of its job. */
const READ = `test "$1" = "$TRAINYARD_DATA_SET"
cd "$1" 2>/dev/null || cd "$(dirname "$1")"
find . -type f | sort | xargs cat > $TRAINYARD_OUTPUT_DIR/out
env >> $TRAINYARD_OUTPUT_DIR/out
for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline >> $TRAINYARD_OUTPUT_DIR/out 2>/dev/null || :; done`;
const WRITE = `cd "$1" 2>/dev/null || cd "$(dirname "$1")"
for f in $(find . -type f); do chmod u+w $f; echo evil >> $f; done
ls > $TRAINYARD_OUTPUT_DIR/out`;

describe.each([
  ['oci', '1\n2\n'],
  ['folder', '1\n2\n'],
  ['https', '1\n'],
  ['hf', '1\n2\n'],
])('data from %s', (place, content) => {
  beforeAll(() => rm(join(folder, 'cache', 'data'), { recursive: true, force: true }));

  test('is there before the program starts, without the credential that it took', async () => {
    const { result, out } = await train(place, READ);
    expect(out).toMatch(new RegExp(`^${content}\\w+=`));
    expect(out).toContain('TRAINYARD_DATA_SET=');
    expect(out).not.toMatch(/^(HF_\w+|NETRC|DOCKER_CONFIG)=/m);
    for (const secret of Object.values(SECRETS)) expect(`${out}${result.stdout}`).not.toContain(secret);
    expect(result.stdout).toMatch(/data set: .*fetched from .*, and verified/);
  });

  test('is not fetched again, and whole again for the next one when a program writes into it', async () => {
    const asked = () => [web.asked.length, hub.hub.asked.length, registry.requests.length];
    const before = asked();
    const { result } = await train(place, WRITE);
    expect(result.stdout).toContain('all of it is here, and as it was');
    expect(asked()).toEqual(before);
    const next = await train(place, READ);
    expect(next.out).toMatch(new RegExp(`^${content}\\w+=`));
    expect(next.result.stdout).toMatch(/::warning::data set: somebody wrote into .* are fetched again/);
  });
});

test('data that cannot be fetched fails the step before the program starts, and names the place', async () => {
  const digest = digestOf(Buffer.from('nothing'));
  const config = {
    command: ['sh', 'train.sh'],
    data: { set: { oci: `${registry.host}/acme/data`, digest } },
  };
  const trainer = await putTrainer(handoff, { 'train.sh': 'echo never' }, config);
  const result = await step('train', { trainer: trainer.digest, params: '', handoff: handoff.location });
  expect(result).toMatchObject({ status: 1, outputs: {} });
  expect(result.stdout).toContain(`there is no data ${digest} in oci://${registry.host}/acme/data`);
  expect(result.stdout).not.toContain('never');
});

test('a step that is killed while it fetches leaves what the next one goes on with', async () => {
  const content = Buffer.alloc(300_000, 'slow ');
  web.files.set('/slow.bin', content);
  web.stalls.push(100_000);
  const digest = digestOf(content);
  const part = join(folder, 'cache/data', `${cacheKey('https', digest, 'slow.bin')}.partial`, 'parts/0');
  const data = { set: { https: `${web.url}/slow.bin`, digest } };
  const trainer = await putTrainer(
    handoff,
    { 'train.sh': 'wc -c < "$1" > $TRAINYARD_OUTPUT_DIR/out' },
    { command: ['sh', 'train.sh', '${data.set}'], data },
  );
  const inputs = { trainer: trainer.digest, params: '', handoff: handoff.location };
  const killed = await runStep('train', inputs, env, (child) => {
    const look = setInterval(async () => {
      const size = await stat(part).then(
        (found) => found.size,
        () => 0,
      );
      if (size === 100_000) child.kill('SIGKILL');
      if (size === 100_000) clearInterval(look);
    }, 20);
  });
  expect(killed.status).toBe(null);
  const { status, stdout } = await step('train', inputs);
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining('and verified') });
  expect(web.asked.at(-1)?.headers.range).toBe('bytes=100000-');
});

test('a limit that is no amount is refused', async () => {
  const { digest } = await putTrainer(handoff, { 'train.sh': '' });
  const result = await runStep(
    'train',
    { trainer: digest, params: '', handoff: handoff.location },
    { ...env, TRAINYARD_DATA_LIMIT: 'much' },
  );
  expect(result.stdout).toContain(
    'TRAINYARD_DATA_LIMIT of this machine is "much"; give an amount such as 200GiB',
  );
});

describe('the action data', () => {
  test('says what went, and what to write into trainyard.yml', async () => {
    const { summary, outputs } = await step('data', {
      path: join(folder, 'set/two.bin'),
      name: 'two',
      store: handoff.location,
    });
    expect(summary.split('\n')[0]).toMatch(
      /^### 🗃 two · data set <code>\w{12}<\/code> · 1 file, 2 B · 1 of 1 parts were new, 2 B$/,
    );
    expect(summary).toContain(`two: {oci: "${handoff.location}@${outputs.data}"}`);
  });

  test.each([
    [{ name: 'A B' }, 'input name is "A B"; a name is a lower-case letter or digit'],
    [{ store: 'artifact:' }, 'input store is artifact:, which ends with this workflow run'],
    [{ path: '/nowhere' }, 'input path is /nowhere, and nothing is there'],
  ])('refuses %j', async (changes, said) => {
    const result = await step('data', { path: folder, name: 'set', store: handoff.location, ...changes });
    expect(result.status).toBe(1);
    expect(result.stdout).toContain(said);
  });
});
