import { posix } from 'node:path';
import { digestOf } from '../lib/digest.ts';
import { UserError, userErrors } from '../lib/errors.ts';
import type { ProgramEnvironment } from '../records/program.ts';
import { type Commit, readProjectFile } from '../source/commit.ts';
import type { Project } from '../source/project.ts';

/** A lock file, or what one needs beside it. */
export interface LockFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Reads a program's lock files, and says how its environment is made of them. */
export async function readEnvironment(
  commit: Commit,
  python: Project['trainer']['python'],
): Promise<{ environment: ProgramEnvironment; locks: LockFile[] }> {
  if ('requirements' in python) {
    const lock = await lockFile(commit, python.requirements);
    refuseUnpinned(posix.join(commit.project, python.requirements), lock.bytes.toString('utf8'));
    return { environment: { kind: 'requirements', lock: digestOf(lock.bytes) }, locks: [lock] };
  }
  const lock = await lockFile(commit, python.lock);
  const project = await lockFile(commit, 'pyproject.toml');
  const { groups } = python;
  return {
    environment: { kind: 'uv', lock: digestOf(lock.bytes), project: digestOf(project.bytes), groups },
    locks: [lock, project],
  };
}

async function lockFile(commit: Commit, path: string): Promise<LockFile> {
  const bytes = await readProjectFile(commit, path);
  if (bytes === undefined)
    throw new UserError(
      `python in trainyard.yml needs ${posix.join(commit.project, path)}, and the commit has no such file`,
    );
  return { name: posix.basename(path), bytes };
}

/** A requirement without a hash would make another environment of the same lock tomorrow. */
function refuseUnpinned(path: string, text: string): void {
  const problems: string[] = [];
  let number = 1;
  // A backslash at its end continues a line.
  for (const line of text.split(/(?<!\\\r?)\r?\n/)) {
    const problem = whyUnpinned(line.trim());
    if (problem !== undefined) problems.push(`${path}:${number}: ${problem}`);
    number += line.split('\n').length;
  }
  if (problems.length > 0)
    throw userErrors(
      `${path} does not pin everything; write it with: uv pip compile --generate-hashes -o ${path} FILE.in`,
      problems,
    );
}

function whyUnpinned(line: string): string | undefined {
  const [what = ''] = line.split(/\s/);
  if (/^(-r|-c|-e|--requirement|--constraint|--editable)\b/.test(what))
    return `${line} names something that is not in this file`;
  if (line === '' || /^[#-]/.test(line) || line.includes('--hash=')) return undefined;
  return `${what} has no --hash`;
}
