/** Runs real workflow files with act, without containers and without GitHub. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { cacheFolder, tool } from '../../scripts/tools.ts';

const root = join(import.meta.dirname, '..', '..');

type Names = Readonly<Record<string, string>>;

export interface ActOptions {
  /** A folder for act's own files; each run makes one inside. */
  readonly place: string;
  /** The user's repository, as `makeUserRepository` left it. */
  readonly repository: string;
  /** The copy of this library, as `moveLibrary` left it. */
  readonly library: string;
  /** Name of the workflow's file in the user's repository. */
  readonly workflow: string;
  /** Base URL of the results service; two runs with the same service are two attempts of one workflow run. */
  readonly results: string;
  readonly event?: string;
  /** The event's payload; the inputs of a `workflow_dispatch` are its `inputs`. */
  readonly payload?: object;
  /** Repository variables, `vars`. */
  readonly vars?: Names;
  readonly secrets?: Names;
  /** Environment variables of the runner's machine, such as TRAINYARD_DATA. */
  readonly machine?: Names;
  /** `GITHUB_RUN_ATTEMPT`. */
  readonly attempt?: number;
  /** Is given each line that a step prints, as it comes. */
  readonly onLine?: (job: string, line: string) => void;
  readonly timeoutSeconds?: number;
}

export interface JobResult {
  /** `success` or `failure`; empty when act was stopped before the job's end. */
  result: string;
  /** Outputs of all its steps by name. */
  outputs: Record<string, string>;
  /** Its job summary, Markdown. */
  summary: string;
  /** What its steps printed, errors included. */
  log: string;
}

export interface ActResult {
  /** act's exit status: 0 when no job failed. */
  status: number | null;
  /** Each job that ran, by its id in the file that declares it, in the order of their starts. */
  jobs: Record<string, JobResult>;
  /** Everything that act said, a JSON object a line. */
  text: string;
}

const Line = z.object({
  jobID: z.string().optional(),
  jobResult: z.string().default(''),
  step: z.string().default(''),
  raw_output: z.boolean().default(false),
  msg: z.string(),
  command: z.string().optional(),
  name: z.string().optional(),
  arg: z.string().optional(),
  content: z.string().optional(),
});

/**
 * Runs one workflow and waits for its end.
 *
 * @returns the results; a failed job is no error
 * @throws when act can't be set up
 */
export async function runAct(options: ActOptions): Promise<ActResult> {
  const own = await mkdtemp(join(options.place, 'act-'));
  const env = { ...machine(options), ...options.machine, ACTIONS_RUNTIME_URL: `${options.results}/` };
  const child = spawn(await tool('act'), await args(options, own), {
    cwd: options.repository,
    env,
    // A group of its own, so that nothing of a run that is cut short stays behind.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const timer = setTimeout(
    () => process.kill(-(child.pid ?? 0), 'SIGKILL'),
    (options.timeoutSeconds ?? 200) * 1000,
  );
  const result: ActResult = { status: null, jobs: {}, text: '' };
  const ended = once(child, 'close');
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => take(line, result, options.onLine));
  }
  await ended;
  clearTimeout(timer);
  return { ...result, status: child.exitCode };
}

async function args(options: ActOptions, own: string): Promise<string[]> {
  const file = async (name: string, content: object): Promise<string> => {
    await writeFile(join(own, name), JSON.stringify(content), { mode: 0o600 });
    return join(own, name);
  };
  await mkdir(join(own, 'artifacts'));
  await mkdir(join(own, 'cache'));
  // A runner's machine keeps its tool cache from one run to the next.
  const tools = join(cacheFolder(), 'tool-cache');
  await mkdir(tools, { recursive: true });
  await symlink(tools, join(own, 'cache', 'tool_cache'));
  const labels = ['ubuntu-24.04', 'self-hosted', 'gpu'];
  const environment = {
    GITHUB_RUN_ATTEMPT: String(options.attempt ?? 1),
    GITHUB_RETENTION_DAYS: '90',
    // act knows of none.
    GITHUB_WORKFLOW_REF: `acme/models/.github/workflows/${options.workflow}@refs/heads/main`,
  };
  return [
    options.event ?? 'push',
    ['--workflows', join('.github', 'workflows', options.workflow)],
    ['--eventpath', await file('event.json', options.payload ?? {})],
    // JSON is YAML, and act reads a file of that name as such: values of any form, in no argument list.
    ['--var-file', await file('vars.yml', options.vars ?? {})],
    ['--secret-file', await file('secrets.yml', options.secrets ?? {})],
    ['--env-file', await file('env.yml', environment)],
    labels.flatMap((label) => ['--platform', `${label}=-self-hosted`]),
    ['--local-repository', `trainyard/trainyard@v1=${options.library}`],
    ['--action-cache-path', join(own, 'cache')],
    // Its artifact server is not used, but without one act passes no results service on.
    [
      '--artifact-server-path',
      join(own, 'artifacts'),
      '--artifact-server-addr',
      '127.0.0.1',
      '--artifact-server-port',
      '0',
    ],
    ['--no-cache-server', '--pull=false', '--json'],
  ].flat();
}

/** What a runner's machine would have: this one's environment, without what npm, jest or an outer workflow added. */
function machine({ place }: ActOptions): NodeJS.ProcessEnv {
  const ours =
    /^(?:NODE_OPTIONS|NODE_ENV|JEST_|npm_|GITHUB_|ACTIONS_|RUNNER_|INPUT_|TRAINYARD_(?!CACHE)|CI$)/;
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name));
  const PATH = [join(root, 'node_modules', 'node', 'bin'), process.env.PATH].join(':');
  return { ...Object.fromEntries(kept), PATH, XDG_CONFIG_HOME: place };
}

function take(line: string, result: ActResult, onLine: ActOptions['onLine']): void {
  result.text += `${line}\n`;
  const parsed = Line.safeParse(line.startsWith('{') ? JSON.parse(line) : undefined);
  if (!parsed.success || parsed.data.jobID === undefined) return;
  const { jobID, jobResult, step, raw_output, msg, command, name, arg, content } = parsed.data;
  // A line without either is of a job that calls a workflow, and may have the name of a job in there.
  if (jobResult === '' && step === '') return;
  result.jobs[jobID] ??= { result: '', outputs: {}, summary: '', log: '' };
  const job = result.jobs[jobID];
  job.result ||= jobResult;
  if (command === 'set-output' && name !== undefined) job.outputs[name] = arg ?? '';
  if (command === 'summary') job.summary += content ?? '';
  if (!raw_output && !msg.includes('::error::')) return;
  job.log += msg;
  onLine?.(jobID, msg.trimEnd());
}

/** The result of a job that must have run; what act said otherwise is the error. */
export function jobOf(result: ActResult, job: string): JobResult {
  const found = result.jobs[job];
  if (found === undefined) throw new Error(`job ${job} did not run:\n${account(result)}`);
  return found;
}

/** An output of a job that must have run, and given it. */
export function outputOf(result: ActResult, job: string, output: string): string {
  const found = jobOf(result, job).outputs[output];
  if (found === undefined || found === '')
    throw new Error(`job ${job} gave no ${output}:\n${account(result)}`);
  return found;
}

/** Throws unless every job that ran succeeded; the error tells what the jobs said. */
export function assertSucceeded(result: ActResult): void {
  if (result.status !== 0) throw new Error(`the workflow failed:\n${account(result)}`);
}

function account({ jobs, text }: ActResult): string {
  const told = Object.entries(jobs).map(([job, { result, log }]) => `── ${job}: ${result}\n${last(log)}`);
  return told.length > 0 ? told.join('\n') : last(text);
}

function last(text: string): string {
  return text.split('\n').slice(-60).join('\n');
}
