import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { UserError } from '../lib/errors.ts';
import { MOST_SOURCE_FILES } from '../records/program.ts';
import type { Commit } from '../source/commit.ts';
import type { CommitFile } from '../source/commit-file.ts';

/** A program's source: a tar whose bytes depend on paths, modes and contents alone. */
export interface Archive {
  readonly tar: Readable;
  /** The project's folder inside it. */
  readonly directory: string;
}

/**
 * Packs files in the lowest folder that holds them and the project, so that a project that moves in its repository
 * stays the same program.
 * @throws UserError when they are too many, too large together, or not on this machine
 */
export async function packArchive(commit: Commit, files: readonly CommitFile[]): Promise<Archive> {
  if (files.length > MOST_SOURCE_FILES)
    throw new UserError(
      `source has ${files.length} files, and may have ${MOST_SOURCE_FILES}. Leave out what is not code: data sets are named in trainer.data`,
    );
  const contents = await commit.read(files);
  const root = commonFolder([posix.join(commit.project, 'x'), ...files.map(({ path }) => path)]);
  const tar = pack();
  files.forEach(({ path, mode }, i) => {
    const header = {
      name: posix.relative(root, path),
      mode: mode === '100755' ? 0o755 : 0o644,
      mtime: new Date(0),
      uid: 0,
      gid: 0,
    };
    tar.entry(header, contents[i] ?? Buffer.alloc(0));
  });
  tar.finalize();
  return { tar: Readable.from(tar), directory: posix.relative(root, commit.project) || '.' };
}

function commonFolder(paths: readonly string[]): string {
  const [first = [], ...rest] = paths.map((path) =>
    posix
      .dirname(path)
      .split('/')
      .filter((part) => part !== '.'),
  );
  let length = first.length;
  for (const parts of rest) {
    const same = first.findIndex((part, i) => parts[i] !== part);
    length = Math.min(length, same === -1 ? first.length : same, parts.length);
  }
  return first.slice(0, length).join('/') || '.';
}
