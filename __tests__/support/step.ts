import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const root = join(import.meta.dirname, '../..');
/** The Node of the actions; it runs TypeScript as it is. */
export const NODE = join(root, 'node_modules', '.bin', 'node');

/** Of the tests of this process: others end what trainings of theirs left behind, and a test may be about that. */
const LEASES = join(tmpdir(), `trainyard-leases-${process.pid}`);

export interface StepResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What the step wrote to GITHUB_OUTPUT. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly summary: string;
  /** What the step keeps for its post step, as the variables that the runner makes of it. */
  readonly state: Readonly<Record<string, string>>;
}

/**
 * Runs an action as a runner does: a process of its own, inputs as INPUT_*, and the files of GITHUB_*.
 * @param running is given the process and what it has printed so far, to cancel it, say
 * @param script what the process takes for its own script, beside which the bundle lies
 * @param bundled runs the bundle itself, not the source
 */
export async function runStep(
  action: string,
  inputs: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
  running: (child: ChildProcess, printed: () => string) => void = () => {},
  script = join(root, 'dist', action, 'index.js'),
  bundled = false,
): Promise<StepResult> {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-step-'));
  try {
    const files = {
      GITHUB_OUTPUT: join(folder, 'output'),
      GITHUB_STEP_SUMMARY: join(folder, 'summary'),
      GITHUB_STATE: join(folder, 'state'),
    };
    for (const file of Object.values(files)) await writeFile(file, '');
    const given = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
    const work = join(folder, 'work');
    await mkdir(work);
    const { PATH, HOME, LANG } = process.env;
    const code = `import(${JSON.stringify(join(root, 'src/main.ts'))}).then((main) => main.runStep(${JSON.stringify(action)}))`;
    const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module'];
    const child = spawn(NODE, bundled ? [script] : [...flags, '-e', code, script], {
      cwd: work,
      env: {
        PATH,
        HOME,
        LANG,
        RUNNER_TEMP: folder,
        TRAINYARD_LEASES: LEASES,
        ...files,
        ...Object.fromEntries(given),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
    running(child, () => printed);
    const [stderr, [status]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    return {
      status,
      stdout: printed,
      stderr,
      outputs: parseOutputs(await readFile(files.GITHUB_OUTPUT, 'utf8')),
      summary: await readFile(files.GITHUB_STEP_SUMMARY, 'utf8'),
      state: stateOf(await readFile(files.GITHUB_STATE, 'utf8')),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function stateOf(file: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parseOutputs(file)).map(([name, value]) => [`STATE_${name}`, value]),
  );
}

/** Reads a file command as the runner does: `name<<delimiter`, lines, `delimiter`; or `name=value`. */
export function parseOutputs(file: string): Record<string, string> {
  const outputs: Record<string, string> = {};
  const lines = file.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    if (line === '') continue;
    const heredoc = /^([^=]*?)<<(.*)$/.exec(line);
    if (heredoc === null) {
      outputs[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
      continue;
    }
    const [, name = '', delimiter = ''] = heredoc;
    const end = lines.indexOf(delimiter, i + 1);
    if (end === -1) throw new Error(`the output ${name} has no end`);
    outputs[name] = lines.slice(i + 1, end).join('\n');
    i = end;
  }
  return outputs;
}

/**
 * The commands that a runner would take from a step's lines: `::name …::` at the start of a line or `##[name …]` anywhere,
 * but none between `::stop-commands::token` and the token.
 */
export function commandsOf(stdout: string): string[] {
  const commands: string[] = [];
  let token: string | undefined;
  for (const line of stdout.split(/\r\n|\r|\n/)) {
    const found = /^\s*::([^\s:]+)(?: [^:]*)?::(.*)$/.exec(line) ?? /##\[([^\s\]]+)[^\]]*\](.*)$/.exec(line);
    const [, name, value] = found ?? [];
    if (name === undefined) continue;
    if (token !== undefined) {
      if (name === token) token = undefined;
      continue;
    }
    if (name === 'stop-commands') token = value;
    else commands.push(name);
  }
  if (token !== undefined) commands.push('(commands are still stopped at the end)');
  return commands;
}
