/**
 * Runs the tests; arguments go to jest. With `--again`, as CI does, the files that failed run once more, alone: what passes then
 * met a busy machine, and is named, so that somebody mends it. What fails twice fails.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

/** What is read of jest's report. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numFailedTestSuites: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

const root = join(import.meta.dirname, '..');
const args = process.argv.slice(2).filter((arg) => arg !== '--again');

if (process.argv.includes('--again')) {
  const place = mkdtempSync(join(tmpdir(), 'trainyard-test-'));
  try {
    process.exitCode = runTwice(place);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
} else {
  process.exitCode = jest(args);
}

function runTwice(place: string): number {
  const first = join(place, 'first.json');
  const status = jest([...args, '--json', `--outputFile=${first}`]);
  // What jest does not even report cannot be run again.
  if (status === 0 || !existsSync(first)) return status;
  const before = read(first);
  const failed = before.testResults.filter((file) => file.status === 'failed');
  if (failed.length === 0) return status;
  const second = join(place, 'second.json');
  // The usual configuration may leave these files out.
  const alone = ['--testPathIgnorePatterns=/node_modules/', '--runInBand', '--runTestsByPath'];
  const again = jest([...alone, ...failed.map(({ name }) => name), '--json', `--outputFile=${second}`]);
  const after = read(second);
  for (const { name, status: how } of after.testResults)
    if (how === 'passed') console.error(`Passed only when it ran again, alone: ${relative(root, name)}`);
  const passedThere = failed
    .flatMap((file) => file.assertionResults)
    .filter((one) => one.status === 'passed').length;
  const passed = before.numPassedTests - passedThere + after.numPassedTests;
  // A file that can't even be read has no tests that fail.
  const stillFailed = Math.max(after.numFailedTests, after.numFailedTestSuites);
  console.error(`Tests: ${stillFailed} failed, ${passed} passed, those that ran again counted once`);
  return again;
}

/** @returns the exit status */
function jest(options: readonly string[]): number {
  const { status } = spawnSync('jest', options, {
    cwd: root,
    stdio: 'inherit',
    // ES modules in jest are behind this flag of Node's; its warning tells nobody anything.
    env: {
      ...process.env,
      NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning',
    },
  });
  return status ?? 1;
}

function read(file: string): Report {
  return JSON.parse(readFileSync(file, 'utf8'));
}
