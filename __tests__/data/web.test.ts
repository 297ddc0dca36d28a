import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findLogin } from '../../src/data/netrc.ts';
import { cacheKey } from '../../src/data/source.ts';
import { type Digest, digestOf, hexOf } from '../../src/lib/digest.ts';
import { type DataMachine, dataMachine } from '../support/data-cache.ts';
import { startWebHost, type WebHost } from '../support/web-host.ts';
import { refusalOf } from '../support/workshop.ts';

const CONTENT = Buffer.from(Array.from({ length: 50_000 }, (_, i) => `${i},${i % 10}\n`).join(''));
const DIGEST = digestOf(CONTENT);
let machine: DataMachine;
let host: WebHost;
beforeEach(async () => {
  machine = await dataMachine();
  host = await startWebHost();
  host.files.set('/data/digits.csv', CONTENT);
});
afterEach(async () => {
  await host.close();
  await machine.remove();
});

const keyOf = (digest: Digest): string => cacheKey('https', digest, 'digits.csv');
const use = (digest: Digest = DIGEST, at = host) =>
  machine.use({ https: `${at.url}/data/digits.csv`, digest });
const ranges = (at = host) =>
  at.asked.filter(({ method }) => method === 'GET').map(({ headers }) => headers.range ?? 'all');

describe('a data set at a URL', () => {
  test('is fetched once, verified, and keeps its name', async () => {
    const { path } = await use();
    expect(basename(path)).toBe('digits.csv');
    expect((await readFile(path)).equals(CONTENT)).toBe(true);
    expect((await stat(path)).mode & 0o777).toBe(0o444);
    await use();
    expect(ranges()).toEqual(['all']);
    expect(machine.log.lines.join('\n')).toMatch(
      new RegExp(`data set: 389 kB fetched from ${host.url}/data/digits.csv in [\\d.]+ s, and verified`),
    );
  });

  test('goes on where the connection broke off', async () => {
    host.cuts.push(100_000, 150_000);
    const { path } = await use();
    expect((await readFile(path)).equals(CONTENT)).toBe(true);
    expect(ranges()).toEqual(['all', 'bytes=100000-', 'bytes=250000-']);
  });

  test('goes on in the next run, where this one gave up', async () => {
    host.cuts.push(123_456);
    host.afterCut.push(...Array.from({ length: 5 }, () => ({ status: 503 })));
    await expect(use()).rejects.toThrow(/answered with 503/);
    const before = ranges().length;
    const { path } = await use();
    expect((await readFile(path)).equals(CONTENT)).toBe(true);
    expect(ranges().slice(before)).toEqual(['bytes=123456-']);
  });

  test('is fetched from a host that knows no ranges, or does not say how large it is', async () => {
    const plain = await startWebHost({ ranges: false });
    try {
      plain.files.set('/data/digits.csv', CONTENT);
      plain.cuts.push(200_000);
      plain.first.push({ status: 405 });
      const { path } = await use(DIGEST, plain);
      expect((await readFile(path)).equals(CONTENT)).toBe(true);
      expect(ranges(plain)).toEqual(['all', 'bytes=200000-']);
    } finally {
      await plain.close();
    }
  });

  test('that is another one is refused with its digest, and nothing of it is kept', async () => {
    const wrong = digestOf(Buffer.from('x'));
    expect(await refusalOf(use(wrong))).toBe(
      `digits.csv of ${host.url}/data/digits.csv: the bytes differ from their digest (expected ${hexOf(wrong)}, found ${hexOf(DIGEST)}); ` +
        `the file there is another one than trainyard.yml says. If it is the right data, write digest: "${DIGEST}" under trainer.data.set, and commit`,
    );
    expect(await readdir(join(machine.folder, `${keyOf(wrong)}.partial`, 'parts'))).toEqual([]);
  });

  test('is fetched from its beginning when what an earlier run left is not its own', async () => {
    await use(DIGEST);
    const other = Buffer.concat([CONTENT, Buffer.from('more')]);
    const key = keyOf(digestOf(other));
    host.files.set('/data/digits.csv', other);
    await mkdir(join(machine.folder, `${key}.partial`, 'parts'), { recursive: true });
    await writeFile(join(machine.folder, `${key}.partial`, 'parts', '0'), Buffer.alloc(1000, 'z'));
    const { path } = await use(digestOf(other));
    expect((await readFile(path)).equals(other)).toBe(true);
    expect(ranges()).toEqual(['all', 'bytes=1000-', 'all']);
  });

  test('is not there, or not for us: the fix is named', async () => {
    host.files.clear();
    expect(await refusalOf(use())).toMatch(/answered 404; correct trainer\.data\.set\.https$/);
    const closed = await startWebHost({ login: 'ada:secret' });
    try {
      expect(await refusalOf(use(DIGEST, closed))).toMatch(
        /answered 401; put a login .* into the file \.netrc .*: machine 127\.0\.0\.1 login NAME password PASSWORD/,
      );
    } finally {
      await closed.close();
    }
  });
});

describe('the login of the machine', () => {
  test('fault 28: is sent to its host, and to none that it redirects to', async () => {
    const closed = await startWebHost({ login: 'ada:se cret' });
    try {
      closed.files.set('/data/digits.csv', new URL(`${host.url}/data/digits.csv`));
      await mkdir(join(machine.root, 'home'));
      await writeFile(join(machine.root, 'home/.netrc'), 'machine 127.0.0.1 login ada password "se cret"\n');
      await use(DIGEST, closed);
      expect(closed.asked.map(({ headers }) => typeof headers.authorization)).toEqual(['string', 'string']);
      expect(host.asked.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
      const said = [...machine.log.lines, ...machine.log.warnings].join('\n');
      expect(said).not.toMatch(/se cret|YWRh/);
    } finally {
      await closed.close();
    }
  });

  test.each<[string, string, string | undefined]>([
    ['one line', 'machine a.example login u password p', 'u p'],
    [
      'several lines',
      'machine b.example\n login x\n password y\nmachine a.example\n\tpassword p\n\tlogin u\n',
      'u p',
    ],
    ['the default', 'machine b.example login x password y\ndefault login u password p', 'u p'],
    ['its own before the default', 'default login x password y\nmachine a.example login u password p', 'x y'],
    ['quotes', 'machine a.example login "u" password "p \\" q"', 'u p " q'],
    [
      'comments and macros',
      '# machine a.example login c password c\nmacdef init\nmachine a.example login m password m\n\nmachine a.example account z login u password p#q',
      'u p#q',
    ],
    ['another case of letters', 'machine A.Example login u password p', 'u p'],
    ['no password', 'machine a.example login u', undefined],
    ['nothing', '', undefined],
  ])('is read from a .netrc with %s', (_what, text, found) => {
    const login = findLogin(text, 'a.example');
    expect(login && `${login.login} ${login.password}`).toBe(found);
  });
});
