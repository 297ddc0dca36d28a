/** The programs of `examples/` by hand: started with the variables of the contract, and nothing else of ours. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { exampleData } from '../../scripts/example-data.ts';
import { cacheFolder, tool } from '../../scripts/tools.ts';
import { ensureEnvironment } from '../../src/lib/python.ts';
import { recordingLog } from './log.ts';
import { root } from './workflow-files.ts';

/** The Python that has what examples/digits trains with; made once for all tests. */
export async function digitsPython(): Promise<string> {
  const { folder } = await ensureEnvironment(
    { kind: 'requirements', requirements: await readFile(join(root, 'examples/digits/requirements.txt')) },
    {
      folder: join(cacheFolder(), 'environments'),
      env: process.env,
      log: recordingLog(),
      signal: new AbortController().signal,
      uv: () => tool('uv'),
    },
  );
  return join(folder, 'bin', 'python');
}

/** What a program is started with; folders are made. */
export interface ExampleRun {
  readonly command: readonly string[];
  /** Its working folder; gets `output` and `checkpoints`. */
  readonly folder: string;
  readonly resumeFrom?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Put before a program of Python's: it gets SIGTERM right after it has printed a line that begins so. */
export function stoppedAt(begin: string): string[] {
  return [join(root, '__tests__/support/stop-at.py'), begin];
}

/** Runs a program to its end; gives its status, or the signal that ended it. */
export async function runExample({ command, folder, resumeFrom, env }: ExampleRun) {
  const output = join(folder, 'output');
  const checkpoints = join(folder, 'checkpoints');
  for (const place of [output, checkpoints]) await mkdir(place, { recursive: true });
  const [program = '', ...args] = command;
  const child: ChildProcess = spawn(program, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TRAINYARD_DATA_DIGITS: join(await exampleData(), 'digits.csv'),
      TRAINYARD_OUTPUT_DIR: output,
      TRAINYARD_METRICS_FILE: join(folder, 'metrics.jsonl'),
      TRAINYARD_CHECKPOINT_DIR: checkpoints,
      ...(resumeFrom !== undefined && { TRAINYARD_RESUME_FROM: resumeFrom }),
      ...env,
    },
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  const [status, signal] = await once(child, 'close');
  return { status: status ?? signal, lines, output, checkpoints };
}

/** The checkpoints in a folder, the oldest first, by absolute path. */
export async function checkpointsIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.'));
  return names.sort().map((name) => join(folder, name));
}
