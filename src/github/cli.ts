import { parseArgs } from 'node:util';
import { messageOf, UserError } from '../lib/errors.ts';
import type { Job } from './action.ts';
import { terminal } from './markdown.ts';
import { cancellation, scratchFolders } from './place.ts';
import type { Host } from './run.ts';
import { openStoreFor } from './stores.ts';

/** Where a command line keeps its records when it names no store. */
const DEFAULTS: Readonly<Record<string, string>> = { store: './yard', handoff: './yard', project: '.' };

/** `trainyard ACTION --input value …` at a terminal: log and summary on stderr, outputs as JSON on stdout. */
export function cliHost(
  args: readonly string[],
  inputNames: readonly string[],
  env: Host['job']['env'],
): Host {
  const inputs = parseInputs(args, inputNames);
  const folders = scratchFolders();
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const read = (name: string): string => inputs.get(name) ?? DEFAULTS[name] ?? '';
  const job: Job = {
    env,
    log: {
      info: say,
      warning: (line: string) => say(`warning: ${line}`),
      group: <T>(title: string, work: () => Promise<T>): Promise<T> => {
        say(title);
        return work();
      },
    },
    signal: cancellation(),
    workspace: process.cwd(),
    inActions: false,
    scratch: folders.make,
    openStore: (value: string, input: string, signal = job.signal) =>
      openStoreFor(value, input, {
        ...job,
        signal,
        folder: process.cwd(),
        githubToken: env.GITHUB_TOKEN,
        input: read,
        artifacts: () => {
          throw new UserError(
            `${input} is artifact:, which works only inside a GitHub Actions job; give a folder or a registry`,
          );
        },
      }),
    remember: () => {},
    remembered: '',
    mask: () => {},
  };
  return {
    job,
    input: read,
    output: (outputs) => void process.stdout.write(`${JSON.stringify(readable(outputs), null, 2)}\n`),
    summarise: async (markdown) => say(`\n${terminal(markdown)}\n`),
    fail: async (message) => {
      say(`error: ${message}`);
      process.exitCode = 1;
    },
    close: folders.remove,
  };
}

/** Outputs that are JSON themselves (metrics, lineage) as what they say. */
function readable(outputs: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, value]) => [name, value.startsWith('{') ? JSON.parse(value) : value]),
  );
}

function parseInputs(args: readonly string[], all: readonly string[]): Map<string, string> {
  // A token on a command line can be seen by everyone on the machine; it is taken from GITHUB_TOKEN.
  const inputNames = all.filter((name) => name !== 'token');
  const options = Object.fromEntries(inputNames.map((name) => [name, { type: 'string' as const }]));
  try {
    const { values } = parseArgs({ args: [...args], options, strict: true });
    return new Map(
      Object.entries(values).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
  } catch (error) {
    throw new UserError(
      `${messageOf(error)}. The inputs are: ${inputNames.map((name) => `--${name}`).join(' ')}`,
    );
  }
}
