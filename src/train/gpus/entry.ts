import { chmod, lstat, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf, MachineError, messageOf } from '../../lib/errors.ts';
import { aside } from '../../lib/files.ts';
import { tryJson } from '../../lib/json.ts';

/** What one training says of itself to all others that share the folder. Only it writes it. */
const entry = z.strictObject({
  /** Its place in the queue; null while it looks for the last one. */
  ticket: z.int().positive().nullable(),
  wants: z.int().positive(),
  /** What it holds; empty while it waits. */
  gpus: z.array(z.string()),
  /** `holderOf` its process, which means something in its namespace alone. */
  holder: z.string().regex(/^\d+-\d+$/),
  namespace: z.string(),
  /** In the environment of every process of its program. */
  marker: z.string().regex(/^train-/),
  /** For people. */
  name: z.string(),
});
export type Entry = z.infer<typeof entry>;

/** An entry as it lies in the folder. */
export interface Filed extends Entry {
  /** The name of its file; of two with one ticket the lower one is first. */
  readonly file: string;
}

/**
 * Makes the folder of leases, which users of this machine share: each may write, and remove what is its own.
 * @throws MachineError when it can't be used
 */
export async function openLeases(folder: string): Promise<void> {
  try {
    if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, 0o1777);
    if (!(await lstat(folder)).isDirectory()) throw new Error('it is a link or a file');
  } catch (cause) {
    throw unusable(folder, cause);
  }
}

/**
 * Writes an entry so that others see the old one or the new one. They may be other users, whatever this one's umask is.
 * @throws MachineError when the folder can't be written
 */
export async function writeEntry(folder: string, { file, ...rest }: Filed): Promise<void> {
  const temporary = aside(join(folder, file));
  try {
    const handle = await open(temporary, 'wx', 0o644);
    try {
      await handle.chmod(0o644);
      await handle.writeFile(JSON.stringify(rest));
    } finally {
      await handle.close();
    }
    await rename(temporary, join(folder, file));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw unusable(folder, cause);
  }
}

/**
 * All entries, the first in the queue first. What is none, or can't be read, doesn't count.
 * @throws MachineError when the folder is gone
 */
export async function readEntries(folder: string): Promise<Filed[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw unusable(folder, cause);
  });
  const files = names.filter((name) => name.endsWith('.json'));
  const found = await Promise.all(
    files.map(async (file) => {
      const { data } = entry.safeParse(tryJson(await readFile(join(folder, file), 'utf8').catch(() => '')));
      return data === undefined ? [] : { ...data, file };
    }),
  );
  return found.flat().sort((a, b) => (isBefore(a, b) ? -1 : 1));
}

/** Whether one is before another in the queue; one that draws its ticket may be before anybody. */
export function isBefore(a: Filed, b: Filed): boolean {
  const [first, second] = [a.ticket ?? 0, b.ticket ?? 0];
  return first === second ? a.file < b.file : first < second;
}

function unusable(folder: string, cause: unknown): MachineError {
  const denied = codeOf(cause) === 'EACCES' || codeOf(cause) === 'EPERM';
  const fix = denied ? `chmod 1777 ${folder}` : 'set TRAINYARD_LEASES to another folder of this machine';
  return new MachineError(`GPUs cannot be leased in ${folder}: ${messageOf(cause)}; ${fix}`, { cause });
}
