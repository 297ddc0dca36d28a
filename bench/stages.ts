import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { freePort } from '../__tests__/support/digits.ts';
import { endProcessesOf } from '../__tests__/support/processes.ts';
import { tool } from '../scripts/tools.ts';
import { type Figure, median, seconds } from './figure.ts';

const cli = join(import.meta.dirname, '..', 'dist', 'cli', 'index.js');
const ROUNDS = 5;

/** A project whose own work is next to nothing, so that what is measured is ours. */
const PROJECT = {
  'trainyard.yml': `name: tiny
trainer:
  source: [train.py]
  python: {requirements: requirements.txt}
  command: python -S train.py
  params: {seed: 1}
model: {files: [model.json]}
server:
  source: [serve.py]
  python: {requirements: requirements.txt}
  command: python serve.py \${port}
  ready: /
`,
  'requirements.txt': '# nothing is needed\n',
  'train.py': "import os\nopen(os.environ['TRAINYARD_OUTPUT_DIR'] + '/model.json', 'w').write('{}')\n",
  'serve.py':
    "import http.server, sys\nhttp.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
};

/** The digests among a stage's outputs. */
const outputs = z
  .record(z.string(), z.unknown())
  .transform((all) => Object.fromEntries(Object.entries(all).map(([name, value]) => [name, String(value)])));

/** Our own time over the five stages on a folder store in which everything is there already. */
export async function stages(): Promise<Figure[]> {
  const place = mkdtempSync(join(tmpdir(), 'trainyard-bench-'));
  try {
    await makeProject(join(place, 'tiny'));
    const env = {
      ...process.env,
      PATH: `${join(await tool('uv'), '..')}:${process.env.PATH}`,
      TRAINYARD_STATE: join(place, 'state'),
    };
    await line(place, env);
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) times.push(await seconds(() => line(place, env)));
    return [
      {
        name: 'five stages, everything there',
        measured: median(times),
        limit: 3,
        unit: 's',
        how: `five processes on a folder store, a trainer that does nothing, no start of the server; median of ${ROUNDS}`,
      },
    ];
  } finally {
    await endProcessesOf(place);
    rmSync(place, { recursive: true, force: true });
  }
}

async function makeProject(folder: string): Promise<void> {
  mkdirSync(join(folder, 'environments'), { recursive: true });
  for (const [name, text] of Object.entries(PROJECT)) writeFileSync(join(folder, name), text);
  writeFileSync(
    join(folder, 'environments', 'local.yml'),
    `target: {kind: process, port: ${await freePort()}}\n`,
  );
  const git = (...args: string[]): Buffer =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=b', '-c', 'user.email=b@example.com', ...args]);
  git('init', '--quiet');
  git('add', '--all');
  git('commit', '--quiet', '-m', 'tiny');
}

async function line(cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  const stage = async (
    name: string,
    inputs: Record<string, string | undefined>,
  ): Promise<Record<string, string>> => {
    const args = Object.entries(inputs).flatMap(([input, value]) => [`--${input}`, value ?? '']);
    return outputs.parse(
      JSON.parse((await promisify(execFile)(process.execPath, [cli, name, ...args], { cwd, env })).stdout),
    );
  };
  const project = 'tiny';
  const { trainer, server, 'training-id': trainingId } = await stage('build', { project });
  const { run } = await stage('train', { trainer });
  const { package: modelPack } = await stage('package-model', {
    project,
    trainer,
    server,
    'training-id': trainingId,
    run,
  });
  const { release } = await stage('release-config', { project, package: modelPack, environment: 'local' });
  await stage('deploy', { release });
}
