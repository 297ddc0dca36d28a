/** One digest, and data that are not one: of another kind, or of another name. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import { digestOfJson } from '../../src/lib/json.ts';
import { type DataMachine, dataMachine, writeAll } from '../support/data-cache.ts';
import { startWebHost, type WebHost } from '../support/web-host.ts';

let machine: DataMachine;
let host: WebHost;
beforeAll(async () => {
  machine = await dataMachine();
  machine.env = { PATH: '/usr/bin:/bin', TRAINYARD_DVC: join(machine.root, 'dvc') };
  host = await startWebHost();
});
afterAll(async () => {
  await host.close();
  await machine.remove();
});

let count = 0;
/** A text that no other test has, at URLs. */
function serve(...paths: string[]) {
  const bytes = Buffer.from(`text ${++count}`);
  for (const path of paths) host.files.set(path, bytes);
  const digest = digestOf(bytes);
  const made = { command: ['sh', '-c', `printf other > "$1/it"; echo ${digest}`, 'sh', '${output}'], digest };
  const web = (path: string) => ({ https: host.url + path, digest });
  return { bytes: bytes.toString(), made, web };
}
const isFolder = async (path: string): Promise<boolean> => (await stat(path)).isDirectory();

test.each(['https', 'command'])(
  'a file of a URL and a folder of a command have one digest, and stay two; %s comes first',
  async (first) => {
    const { bytes, made, web } = serve('/words.txt');
    const both = [web('/words.txt'), made];
    for (const reference of first === 'https' ? both : both.toReversed()) {
      const { path } = await machine.use(reference);
      expect(await isFolder(path)).toBe('command' in reference);
      if ('https' in reference) expect(await readFile(path, 'utf8')).toBe(bytes);
      else expect(await readFile(join(path, 'it'), 'utf8')).toBe('other');
    }
  },
);

test('what a command printed a digest of is no data of a store', async () => {
  const digest = await machine.push({ a: 'of the store' });
  await machine.use({
    ...serve().made,
    command: ['sh', '-c', `echo 1 > "$1/a"; echo ${digest}`, 'sh', '${output}'],
    digest,
  });
  const { path } = await machine.use({ oci: join(machine.root, 'yard'), digest });
  expect(await readFile(join(path, 'a'), 'utf8')).toBe('of the store');
});

test('the same bytes under two names have both', async () => {
  const { bytes, web } = serve('/a/words.csv', '/b/words.tsv');
  for (const name of ['/a/words.csv', '/b/words.tsv']) {
    const { path } = await machine.use(web(name));
    expect(basename(path)).toBe(basename(name));
    expect(await readFile(path, 'utf8')).toBe(bytes);
  }
  const md5 = createHash('md5').update(bytes).digest('hex');
  await writeAll(join(machine.root, 'dvc'), { [`files/md5/${md5.slice(0, 2)}/${md5.slice(2)}`]: bytes });
  for (const out of ['data/a.csv', 'b.tsv']) {
    const { path } = await machine.use({ dvc: 'set.dvc', out, md5, digest: digestOfJson({ md5 }) });
    expect(basename(path)).toBe(basename(out));
  }
});

test('the same bytes under the same name are fetched once, wherever they are', async () => {
  const { web } = serve('/c/words.csv', '/d/words.csv');
  await machine.use(web('/c/words.csv'));
  const asked = host.asked.length;
  await machine.use(web('/d/words.csv'));
  expect(host.asked).toHaveLength(asked);
});
