/** A user's repository: a git repository in a temporary folder with a small project in it. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** Files by their paths; undefined removes one. */
export type Changes = Readonly<Record<string, string | Buffer | undefined>>;

const HASH = `--hash=sha256:${'a'.repeat(64)}`;

/** The data set that the project names. */
export const DATA_DIGEST = `sha256:${'d'.repeat(64)}` as const;

/** The files of the project, in its own folder. */
export const PROJECT = {
  'trainyard.yml': `name: toy
trainer:
  source: [train.py, lib/]
  python: {requirements: requirements.txt}
  command: python train.py \${params}
  params: {epochs: 3, rate: 0.1}
  data: {numbers: {path: numbers.csv, digest: "${DATA_DIGEST}"}}
  resources: {gpus: 0}
  timeout: 10m
metrics: {accuracy: {goal: maximize, min: 0.9}}
model: {files: [model.onnx], card: MODEL.md}
server:
  source: [serve.py]
  python: {requirements: serve.txt}
  command: python serve.py --model \${model} --port \${port}
  ready: /ready
  golden: golden.jsonl
  config: config.schema.json
`,
  'train.py': 'import lib.steps\n',
  'lib/steps.py': 'STEPS = 3\n',
  'serve.py': 'print("serving")\n',
  'requirements.txt': `# what train.py imports\nnumpy==2.0.0 \\\n    ${HASH}\n`,
  'serve.txt': `onnxruntime==1.20.0 ${HASH}\n`,
  'MODEL.md': '# Toy\n\nCounts.\n',
  'README.md': 'A toy.\n',
  'config.schema.json': `{
  "type": "object",
  "properties": {
    "THRESHOLD": {"type": "number", "minimum": 0, "maximum": 1},
    "LEVEL": {"enum": ["low", "high"], "default": "low"},
    "LIMIT": {"type": "integer"},
    "API_KEY": {"type": "string", "writeOnly": true}
  },
  "required": ["THRESHOLD"],
  "additionalProperties": false
}
`,
  'environments/staging.yml': 'target: {kind: process, port: 8081}\nconfig: {THRESHOLD: 0.4}\n',
  'environments/production.yml': `target: {kind: process, port: 8080}
config:
  THRESHOLD: 0.62
  LEVEL: high
secrets: [API_KEY]
`,
} satisfies Changes;

export interface Repository {
  readonly folder: string;
  /** The project's folder in it, `.` for its top. */
  readonly project: string;
  git(...args: string[]): Promise<string>;
  /** Writes files into the work tree and commits nothing; paths are relative to the project. */
  write(files: Changes): Promise<void>;
  /** Writes files and commits the whole work tree; the commit's id. */
  commit(files?: Changes): Promise<string>;
  /** Commits a file of the project in which every `from` is a `to`; throws when there is none. */
  edit(path: string, from: string | RegExp, to: string): Promise<string>;
}

/** Makes a repository in an empty folder, with the project committed. */
export async function makeRepository(
  folder: string,
  { project = '.', files = PROJECT }: { project?: string; files?: Changes } = {},
): Promise<Repository> {
  const git = async (...args: string[]): Promise<string> => {
    const name = ['-c', 'user.name=A', '-c', 'user.email=a@example.com', '-c', 'core.autocrlf=false'];
    const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
    return (await promisify(execFile)('git', [...name, ...args], { cwd: folder, env })).stdout;
  };
  const write = async (changes: Changes): Promise<void> => {
    for (const [path, content] of Object.entries(changes)) {
      const place = join(folder, project, path);
      if (content === undefined) await rm(place);
      else await mkdir(dirname(place), { recursive: true }).then(() => writeFile(place, content));
    }
  };
  const commit = async (changes: Changes = {}): Promise<string> => {
    await write(changes);
    await git('add', '-A');
    await git('commit', '-q', '--allow-empty', '-m', 'A change');
    return (await git('rev-parse', 'HEAD')).trim();
  };
  const edit = async (path: string, from: string | RegExp, to: string): Promise<string> => {
    const before = await readFile(join(folder, project, path), 'utf8');
    const after = before.replaceAll(typeof from === 'string' ? from : new RegExp(from, 'g'), to);
    if (after === before) throw new Error(`${path}: nothing changed`);
    return commit({ [path]: after });
  };
  await mkdir(folder, { recursive: true });
  await git('init', '-q', '-b', 'main');
  await commit(files);
  return { folder, project, git, write, commit, edit };
}
