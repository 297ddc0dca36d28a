/** Data that DVC keeps, from folders laid out as DVC does it, and by a `dvc` of ours; the real one is in engines/dvc.test.ts. */
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { removeEntry } from '../../src/data/entry.ts';
import { digestOfJson } from '../../src/lib/json.ts';
import type { DataReference } from '../../src/records/program.ts';
import { type DataMachine, dataMachine, writeAll } from '../support/data-cache.ts';

type Reference = Extract<DataReference, { dvc: string }>;
const md5Of = (bytes: string): string => createHash('md5').update(bytes).digest('hex');
const place = (md5: string): string => `${md5.slice(0, 2)}/${md5.slice(2)}`;
const FILES = { 'a.txt': 'a\n', 'deep/b.txt': 'b\n', 'empty.txt': '' };
const LIST = JSON.stringify(Object.entries(FILES).map(([relpath, text]) => ({ md5: md5Of(text), relpath })));

let machine: DataMachine;
let store: string;
beforeAll(async () => {
  machine = await dataMachine();
  store = join(machine.root, 'dvc');
});
beforeEach(async () => {
  for (const folder of [machine.folder, store]) await removeAll(folder);
  machine.env = { HOME: machine.root, TRAINYARD_DVC: store };
  await keep('files/md5', ...Object.values(FILES));
  await writeAll(store, { [`files/md5/${place(md5Of(LIST))}.dir`]: LIST });
});
afterAll(() => machine.remove());

/** Entries of a cache can't be written to. */
async function removeAll(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) await removeEntry(join(folder, name));
  await rm(folder, { recursive: true, force: true });
}

const keep = (layout: string, ...texts: string[]): Promise<void> =>
  writeAll(store, Object.fromEntries(texts.map((text) => [join(layout, place(md5Of(text))), text])));

const reference = (md5: string, more: Partial<Reference> = {}): Reference => ({
  ...{ dvc: 'set.dvc', out: 'data/set', md5, digest: digestOfJson({ md5 }) },
  ...more,
});
const FOLDER = `${md5Of(LIST)}.dir`;

test('a file and a folder are taken from the folder that the machine names', async () => {
  const file = await machine.use(reference(md5Of('a\n'), { out: 'data/a.csv' }));
  expect(file.path).toMatch(/\/a\.csv$/);
  expect(await readFile(file.path, 'utf8')).toBe('a\n');
  const { path } = await machine.use(reference(FOLDER));
  for (const [name, text] of Object.entries(FILES))
    expect(await readFile(join(path, name), 'utf8')).toBe(text);
});

test('the layout of DVC 2 is read, and a remote that is a folder', async () => {
  const text = 'of DVC 2';
  await keep('', text);
  const remote = { name: 'disk', options: { url: store } };
  machine.env = { HOME: machine.root };
  const { path } = await machine.use(reference(md5Of(text), { remote }));
  expect(await readFile(path, 'utf8')).toBe(text);
});

test('what the program wrote into is taken anew', async () => {
  const first = await machine.use(reference(FOLDER));
  await chmod(join(first.path, 'a.txt'), 0o644);
  await writeFile(join(first.path, 'a.txt'), 'evil');
  await first.release();
  const { path } = await machine.use(reference(FOLDER));
  expect(await readFile(join(path, 'a.txt'), 'utf8')).toBe('a\n');
});

test('an object that is not what its name says is refused, and so is a list', async () => {
  await writeAll(store, { [`files/md5/${place(md5Of('a\n'))}`]: 'b\n' });
  await expect(machine.use(reference(FOLDER))).rejects.toThrow(
    /a\.txt of .*: the bytes differ from their digest \(expected .*; what DVC keeps of data\/set is damaged/,
  );
  await writeAll(store, { [`files/md5/${place(FOLDER)}`]: '[]' });
  await removeAll(machine.folder);
  await expect(machine.use(reference(FOLDER))).rejects.toThrow(
    /is not the list of files that \w{32}\.dir stands for/,
  );
});

test.each(['../out.txt', '/etc/passwd', 'nul.txt', 'a\\b'])('a list with %j is refused', async (relpath) => {
  const list = JSON.stringify([{ md5: md5Of('a\n'), relpath }]);
  await writeAll(store, { [`files/md5/${place(md5Of(list))}.dir`]: list });
  await expect(machine.use(reference(`${md5Of(list)}.dir`))).rejects.toThrow(
    /data\/set: its file ".*; rename it$/,
  );
});

const ASK = 'set TRAINYARD_DVC of the runner machine to the folder of a cache or remote';
test('data that are nowhere are named, with the fix', async () => {
  const gone = reference(md5Of('gone'));
  await expect(machine.use(gone)).rejects.toThrow(
    `data/set of set.dvc (${gone.md5}) is not in ${store}; run`,
  );
  machine.env = { HOME: machine.root };
  for (const url of [undefined, '../beside'])
    await expect(
      machine.use({ ...gone, ...(url !== undefined && { remote: { name: 'r', options: { url } } }) }),
    ).rejects.toThrow(ASK);
});

/** Fetches from the folder `$KEPT`, as the real one does from anywhere. */
const DVC = `#!/bin/sh
test "$*" = "fetch --quiet data.dvc" || exit 7
test -z "$GITHUB_TOKEN$INPUT_TRAINER" || exit 8
cat .dvc/config data.dvc > "$SEEN"
test "$AWS_SECRET_ACCESS_KEY" = of-the-machine || { echo "403 Forbidden" >&2; exit 1; }
cp -r "$KEPT"/. "$(sed -n 's/^dir = "\\(.*\\)"/\\1/p' .dvc/config)"
`;
test('from any other remote the machine’s own dvc fetches, with its credentials and nothing of the job', async () => {
  const bin = join(machine.root, 'bin', 'dvc');
  await mkdir(dirname(bin), { recursive: true });
  await writeFile(bin, DVC, { mode: 0o755 });
  const remote = { name: 'store', options: { url: 's3://acme/dvc', region: 'eu' } };
  const elsewhere = reference(FOLDER, { remote });
  const base = { PATH: '/usr/bin:/bin', GITHUB_TOKEN: 'x', INPUT_TRAINER: 'x', KEPT: store };
  machine.env = base;
  await expect(machine.use(elsewhere)).rejects.toThrow(
    /the remote s3:\/\/acme\/dvc takes dvc, and this machine has none on the runner's PATH; install it/,
  );
  const seen = join(machine.root, 'seen');
  machine.env = { ...base, PATH: `${dirname(bin)}:${base.PATH}`, SEEN: seen };
  await expect(machine.use(elsewhere)).rejects.toThrow(
    /dvc ended with status 1: 403 Forbidden; the remote store is read with the credentials of the runner machine/,
  );
  machine.env.AWS_SECRET_ACCESS_KEY = 'of-the-machine';
  const { path } = await machine.use(elsewhere);
  expect(await readFile(join(path, 'deep/b.txt'), 'utf8')).toBe('b\n');
  expect(await readFile(seen, 'utf8')).toContain(
    `['remote "store"']\nurl = "s3://acme/dvc"\nregion = "eu"\n`,
  );
  // What dvc laid aside is gone, and is not needed again.
  await expect(readFile(join(`${machine.folder}-aside`, 'repository'))).rejects.toThrow('ENOENT');
  await rm(bin);
  await machine.use(elsewhere);
});
