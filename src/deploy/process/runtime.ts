import { chmod, constants, copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOfFile, hexOf } from '../../lib/digest.ts';
import { codeOf, MachineError, messageOf } from '../../lib/errors.ts';
import { aside } from '../../lib/files.ts';
import { digestOfJson } from '../../lib/json.ts';
import { run } from '../../lib/process.ts';

/** The front's code: files of a folder, and the one that node starts. */
export interface FrontCode {
  readonly folder: string;
  /** Relative to the folder; `entry` is one of them. */
  readonly files: readonly string[];
  readonly entry: string;
}

/**
 * Keeps node and the front's code under `folder`, by their digest, shared by all fronts: what runs for months must not
 * end with the runner's update or clean-up. Gives the command that starts a front.
 * Throws MachineError when the copy of node does not run.
 */
export async function keepRuntime(
  folder: string,
  node: string,
  code: FrontCode,
  env: Readonly<Record<string, string>>,
): Promise<string[]> {
  const sources = [
    { from: node, to: 'node' },
    ...code.files.map((file) => ({ from: join(code.folder, file), to: join('code', file) })),
  ];
  const found = await Promise.all(
    sources.map(async ({ from, to }) => [to, (await digestOfFile(from)).digest]),
  );
  const place = join(folder, hexOf(digestOfJson(found), 24));
  if (!(await isOurs(place))) await keep(place, sources, env);
  return [join(place, 'node'), join(place, 'code', code.entry)];
}

/** Whether it is there, and nobody else could have written it. */
async function isOurs(place: string): Promise<boolean> {
  const found = await stat(place).catch(() => undefined);
  if (found === undefined) return false;
  if (found.uid === process.getuid?.() && (found.mode & 0o022) === 0) return true;
  throw new MachineError(`${place} can be written by others, so nothing is run from it; remove it`);
}

async function keep(
  place: string,
  sources: readonly { from: string; to: string }[],
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const temporary = aside(place);
  try {
    for (const { from, to } of sources) {
      await mkdir(dirname(join(temporary, to)), { recursive: true });
      await copyFile(from, join(temporary, to), constants.COPYFILE_FICLONE);
    }
    const node = join(temporary, 'node');
    await chmod(node, 0o755);
    await chmod(temporary, 0o755);
    await start([node, '--version'], temporary, env).catch((cause: unknown) => {
      throw new MachineError(
        `a copy of this machine's node does not run (${messageOf(cause)}). Use a node that is one file, as GitHub's runner and the official downloads have it`,
        { cause },
      );
    });
    await rename(temporary, place).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST') throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** A process that is just being started holds our copy open for writing until its own program is loaded; a moment later it runs. */
async function start(argv: string[], cwd: string, env: Readonly<Record<string, string>>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await run(argv, { cwd, env });
      return;
    } catch (error) {
      if (codeOf(error) !== 'ETXTBSY' || tries === 50) throw error;
      await sleep(20);
    }
  }
}
