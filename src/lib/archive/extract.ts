import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { isDiskFull } from '../disk-full.ts';
import { codeOf, MachineError, UserError } from '../errors.ts';
import { aside } from '../files.ts';
import { type ArchiveRules, Judge } from './rules.ts';
import { unpackTar } from './tar.ts';
import { TreeWriter } from './writer.ts';
import { unpackZip } from './zip.ts';

/** Archives that together make up one folder; several may be unpacked at a time. */
export interface Extraction {
  /** A tar as it flows in; what the stream fails with at its end counts, too. */
  tar(stream: Readable): Promise<void>;
  /** A zip in a file: what is to be read first stands at its end. */
  zip(file: string): Promise<void>;
}

/**
 * The one place where archives are opened: unpacks those that `fill` gives into a folder that is absent or empty, and
 * that stays so unless all of them are whole and every entry is a plain file or folder with a name of its own inside,
 * on every system. Executable files stay executable; nothing else of mode, owner and time is taken. Archives inside
 * archives are files.
 * @throws UserError by the rules, MachineError when the disk is full, and what a stream fails with
 */
export async function extractInto(
  folder: string,
  rules: ArchiveRules,
  fill: (into: Extraction) => Promise<unknown>,
): Promise<void> {
  const isThere = await isEmptyFolder(folder);
  const temporary = aside(folder);
  const judge = new Judge(rules);
  const writer = new TreeWriter(temporary);
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  const start = (work: Promise<void>): Promise<void> => {
    running.push(work);
    return work;
  };
  try {
    await mkdir(dirname(folder), { recursive: true });
    await mkdir(temporary);
    await fill({
      tar: (stream) => start(unpackTar(stream, judge, writer, stop.signal)),
      zip: (file) => start(unpackZip(file, judge, writer, stop.signal)),
    });
    await Promise.all(running);
    await writer.end();
    judge.end();
    if (isThere) await rmdir(folder);
    await rename(temporary, folder);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(running);
    await writer.end().catch(() => {});
    await rm(temporary, { recursive: true, force: true });
    throw isDiskFull(error)
      ? new MachineError(
          `${rules.what} cannot be unpacked into ${folder}; make room on its disk, and run this again`,
          {
            cause: error,
          },
        )
      : error;
  }
}

async function isEmptyFolder(folder: string): Promise<boolean> {
  const inside = await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (inside !== undefined && inside.length > 0)
    throw new UserError(
      `${folder} is not empty: it holds ${inside.slice(0, 5).join(', ')}; remove what is in it`,
    );
  return inside !== undefined;
}
