/**
 * Every command that the documents tell people to type, run by one reader who types them in their order. What is changed for
 * that stands in the tables below and nowhere else.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { cacheFolder, tool } from '../../scripts/tools.ts';
import { freePort } from '../support/digits.ts';
import { type Command, commandsOf, documents } from '../support/documents.ts';
import { endProcessesOf } from '../support/processes.ts';
import { root } from '../support/workflow-files.ts';

/** What is typed in the place of a text. `$…` are the reader's variables, see `beforeAll`. */
const INSTEAD: readonly (readonly [text: string, instead: string])[] = [
  // A second terminal: the server goes on while the next commands are typed.
  [
    'serve.py --model output/model.onnx --port 8080',
    'serve.py --model output/model.onnx --port 8080 & curl --silent --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:8080/v2/health/ready',
  ],
  // GitHub can't be reached; the clone is of a clone, in which the example's ports are free ones.
  ['https://github.com/trainyard/trainyard', '--quiet "$ORIGIN" trainyard'],
  ['8080', '$PRODUCTION_PORT'],
  ['8081', '$STAGING_PORT'],
  // What a machine keeps of its deployments is this reader's alone.
  ['$HOME/.local/state/trainyard', '$TRAINYARD_STATE'],
];

const ENGINES = '__tests__/engines/layout.test.ts';
const PACKAGES = '__tests__/engines/package.test.ts';

const CLUSTER = '__tests__/engines/kubernetes-docs.test.ts';

/** What takes minutes or needs other tools, and the file that runs it. */
const ELSEWHERE: readonly (readonly [command: string, file: string, says: string])[] = [
  ['npm run demo', '__tests__/scripts/demo.test.ts', "'demo.ts'"],
  ['oras repo tags --oci-layout yard', ENGINES, "oras('repo', 'tags', '--oci-layout', place)"],
  [
    'oras discover --oci-layout yard:program-6fc3ecc51c1a --format tree',
    ENGINES,
    "oras('discover', '--oci-layout', target, '--format', 'tree')",
  ],
  ['oras pull --oci-layout yard:package-3f3a5d47190d --output model', ENGINES, "oras('pull', '--oci-layout'"],
  [
    'skopeo inspect --config --raw oci:yard:run-c24c87023ef8',
    ENGINES,
    "skopeo('inspect', '--config', '--raw'",
  ],
  [
    'oras pull ghcr.io/acme/models/digits:package-3f3a5d47190d --output model',
    PACKAGES,
    "run('oras', 'pull', '--plain-http', `${repository}:${tag}`, '--output'",
  ],
  [
    'modctl pull ghcr.io/acme/models/digits:package-3f3a5d47190d --extract-from-remote --extract-dir model',
    PACKAGES,
    "['pull', '--plain-http', '--extract-from-remote', '--extract-dir'",
  ],
  [
    'crane export ghcr.io/acme/models/digits:image-3f3a5d47190d - | tar -x',
    PACKAGES,
    "run('crane', 'export', ...platform, name, '-')",
  ],
  [
    'skopeo copy docker://ghcr.io/acme/models/digits:image-3f3a5d47190d oci:model',
    PACKAGES,
    "run('skopeo', ...one, `docker://${name}`, `oci:",
  ],
  [
    'kubectl get deployments,services,pods --namespace ml --selector trainyard.dev/project=digits --label-columns trainyard.dev/release',
    CLUSTER,
    "'--selector', 'trainyard.dev/project=toy', '--label-columns', 'trainyard.dev/release'",
  ],
  // An administrator's, each a line of a block that is typed as a whole.
  ...[
    'kubectl apply --filename trainyard-rights.yaml',
    'kubectl config view --raw --minify --flatten > kubeconfig',
    'token=$(kubectl create token trainyard --namespace ml --duration 720h)',
    'kubectl config --kubeconfig kubeconfig set-credentials trainyard --token "$token"',
    'kubectl config --kubeconfig kubeconfig set-context --current --user trainyard --namespace ml',
    'kubectl config --kubeconfig kubeconfig view --raw --minify',
  ].map((command) => [command, CLUSTER, "typed('kubectl create token trainyard')"] as const),
  [
    'kubectl create secret generic ghcr --namespace ml --type kubernetes.io/dockerconfigjson --from-file .dockerconfigjson="$HOME/.docker/config.json"',
    CLUSTER,
    "typed('kubectl create secret generic ghcr')",
  ],
];

/** Where the reader of a document stands. */
const STARTS: Readonly<Record<string, string>> = {
  'README.md': '.',
  'examples/digits/README.md': 'trainyard/examples/digits',
};

/** What must be seen in a terminal. */
const SEEN: Readonly<Record<string, readonly RegExp[]>> = {
  'README.md': [/"outcome": "live"/, /"lineage":/],
  'docs/data.md': [/"reference": "\/.*\/yard@sha256:\w{64}"/],
  'docs/deploy.md': [/nothing to train/, /^Before: .*previous/m, /"pid":\d+/],
  'docs/environments.md': [
    /THRESHOLD = 0\.7 \(examples\/digits\/environments\/canary\.yml:3:21\)/,
    /"unchanged": "false"[\s\S]*Is THRESHOLD meant\?[\s\S]*"unchanged": "true"/,
  ],
  'docs/rollback.md': [
    /^it stays away$/m,
    /"outcome": "held"/,
    /^\d{4}-\d\d-\d\d \d\d:\d\d UTC {2}live /m,
    /"release": "sha256:\w{64}"/,
  ],
  'docs/stores.md': [/"broken": "0"/, /"removed": "\d+"/],
  'examples/digits/README.md': [/"name": "label", .*"data": \[-1\]/],
};

const run = promisify(execFile);
const chapters = documents.flatMap((file) => {
  const commands = commandsOf(file);
  return commands.length === 0 ? [] : [[file, commands] as const];
});
let place: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  place = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-reader-')));
  await mkdir(join(place, 'models'));
  const origin = join(place, 'origin');
  const ports = { production: String(await freePort()), staging: String(await freePort()) };
  await run('git', ['clone', '--quiet', root, origin]);
  for (const [environment, port] of Object.entries(ports)) {
    const file = join(origin, 'examples', 'digits', 'environments', `${environment}.yml`);
    await writeFile(file, (await readFile(file, 'utf8')).replace(/port: \d+/, `port: ${port}`));
  }
  const author = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];
  await run('git', ['-C', origin, ...author, 'commit', '--quiet', '--all', '--message', 'Free ports']);
  env = {
    ...machine(),
    PATH: [dirname(await tool('uv')), join(place, 'global', 'bin'), process.env.PATH].join(delimiter),
    ORIGIN: origin,
    PRODUCTION_PORT: ports.production,
    STAGING_PORT: ports.staging,
    TRAINYARD_STATE: join(place, 'state'),
    TRAINYARD_CACHE: cacheFolder(),
    npm_config_prefix: join(place, 'global'),
  };
}, 120_000);

afterAll(async () => {
  await endProcessesOf(place);
  await rm(place, { recursive: true, force: true });
}, 60_000);

/** A reader's environment: this one, without what npm, jest or a workflow added. */
function machine(): NodeJS.ProcessEnv {
  const added = /^(?:NODE_OPTIONS|NODE_ENV|JEST_|npm_|GITHUB_|ACTIONS_|RUNNER_|INPUT_|TRAINYARD_|CI$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !added.test(name)));
}

test.each(chapters)(
  'the commands of %s do what they are for',
  async (file, commands) => {
    const here = commands.filter(({ text }) => elsewhere(text) === undefined);
    const folder = join(place, STARTS[file] ?? 'trainyard');
    const { status, said } = await type(here, folder);
    if (status !== 0) throw new Error(`the last place that is named below failed (${status}):\n${said}`);
    for (const seen of SEEN[file] ?? []) expect(said).toMatch(seen);
  },
  300_000,
);

test.each(ELSEWHERE)('%s is run in %s', async (_command, file, says) => {
  expect(await readFile(join(root, file), 'utf8')).toContain(says);
});

test('each exception is needed', () => {
  const typed = chapters.flatMap(([, commands]) => commands.map(({ text }) => text));
  for (const [command] of ELSEWHERE) expect(typed.map(withoutComment)).toContain(command);
  for (const [text] of INSTEAD) expect(typed.join('\n')).toContain(text);
});

function elsewhere(text: string): string | undefined {
  return ELSEWHERE.find(([command]) => command === withoutComment(text))?.[1];
}

function withoutComment(text: string): string {
  return text.replace(/\s+#.*$/, '');
}

/** Types commands into one terminal, until one of them fails. */
async function type(
  commands: readonly Command[],
  cwd: string,
): Promise<{ status: number | null; said: string }> {
  const lines = commands.map(({ place: at, text }) => {
    const typed = INSTEAD.reduce((done, [from, to]) => done.replaceAll(from, to), text);
    return `echo "━━ ${at}"\n${typed}`;
  });
  const script = join(place, 'typed.sh');
  await writeFile(script, ['set -euo pipefail', 'exec 2>&1', ...lines, ''].join('\n'));
  const child = spawn('bash', [script], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  // Not its streams' end: a server in the background holds them.
  const [status] = await once(child, 'exit');
  child.stdout.destroy();
  return { status, said };
}
