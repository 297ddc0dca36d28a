import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { UserError } from '../../../src/lib/errors.ts';
import { findCredential } from '../../../src/store/registry/credentials.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'credentials-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const { signal } = new AbortController();
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const password = (username: string, secret: string) => ({ kind: 'password', username, password: secret });

/** What is found with a configuration in the step's environment. */
function given(host: string, config: object, env: Record<string, string> = {}) {
  const all = { DOCKER_AUTH_CONFIG: JSON.stringify(config), ...env };
  return findCredential(host, { env: all, githubToken: undefined, signal });
}

/**
 * A credential helper as a program: what it knows by name, as docker-credential-helpers have it. It writes down what it was asked and
 * what it sees of the job.
 */
async function helper(name: string, known: Record<string, { Username: string; Secret: string }>) {
  const file = join(folder, `docker-credential-${name}`);
  const log = join(folder, `${name}.log`);
  const script = `#!${process.execPath}
const { appendFileSync, readFileSync } = require('node:fs');
const name = readFileSync(0, 'utf8');
const seen = Object.keys(process.env).filter((one) => /^(GITHUB|INPUT|ACTIONS|DOCKER_AUTH)_/.test(one));
appendFileSync(${JSON.stringify(log)}, JSON.stringify([process.argv[2], name, seen]) + '\\n');
const found = ${JSON.stringify(known)}[name];
if (found === undefined) {
  process.stdout.write('credentials not found in native keychain');
  process.exit(1);
}
process.stdout.write(JSON.stringify({ ServerURL: name, ...found }));
`;
  await writeFile(file, script);
  await chmod(file, 0o755);
  return async () =>
    (await readFile(log, 'utf8'))
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
}

describe('in the step’s DOCKER_AUTH_CONFIG', () => {
  test.each([
    ['auth', { auth: base64('me:pass:word') }, password('me', 'pass:word')],
    ['username and password', { username: 'me', password: 'secret' }, password('me', 'secret')],
    ['identitytoken', { auth: base64('0000:'), identitytoken: 'idtok' }, { kind: 'token', token: 'idtok' }],
    ['an empty entry', {}, undefined],
  ])('%s', async (_, entry, expected) => {
    expect(await given('r.example:5000', { auths: { 'r.example:5000': entry } })).toEqual(expected);
  });

  test.each(['https://r.example', 'https://r.example/', 'https://r.example/v2/', 'https://r.example/v1/'])(
    'under the name %s, too',
    async (name) => {
      const found = await given('r.example', { auths: { [name]: { auth: base64('a:b') } } });
      expect(found).toEqual(password('a', 'b'));
    },
  );

  test('comes before the machine’s file, which has what it lacks', async () => {
    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({ auths: { one: { auth: base64('file:1') }, two: { auth: base64('file:2') } } }),
    );
    const config = { auths: { one: { auth: base64('step:1') } } };
    expect(await given('one', config, { DOCKER_CONFIG: folder })).toEqual(password('step', '1'));
    expect(await given('two', config, { DOCKER_CONFIG: folder })).toEqual(password('file', '2'));
  });
});

test('the machine’s file is found by DOCKER_CONFIG, else by HOME', async () => {
  const write = async (path: string, user: string) => {
    await mkdir(join(folder, path), { recursive: true });
    const config = { auths: { 'r.example': { auth: base64(`${user}:x`) } } };
    await writeFile(join(folder, path, 'config.json'), JSON.stringify(config));
  };
  await write('home/.docker', 'home');
  await write('docker', 'docker');
  const find = (env: Record<string, string>) =>
    findCredential('r.example', { env, githubToken: undefined, signal });
  expect(await find({ HOME: join(folder, 'home') })).toEqual(password('home', 'x'));
  expect(await find({ HOME: join(folder, 'home'), DOCKER_CONFIG: join(folder, 'docker') })).toEqual(
    password('docker', 'x'),
  );
  expect(await find({ HOME: join(folder, 'none') })).toBeUndefined();
  expect(await find({})).toBeUndefined();
});

test('the credential of one host never goes to another', async () => {
  const auths = {
    'r.example': { auth: base64('a:b') },
    'https://deep.example/v2/': { auth: base64('a:b') },
    'docker.io': { auth: base64('a:b') },
  };
  for (const host of [
    'r.example:5000',
    'x.r.example',
    'r.example.evil',
    'example',
    'R.example',
    'deep',
    'ghcr.io',
  ])
    expect(await given(host, { auths, credHelpers: { 'r.example': 'absent' } })).toBeUndefined();
});

test.each(['docker.io', 'index.docker.io', 'registry-1.docker.io'])(
  'Docker Hub’s is found for %s under the name that docker login writes',
  async (host) => {
    const auths = { 'https://index.docker.io/v1/': { auth: base64('hub:x') } };
    expect(await given(host, { auths })).toEqual(password('hub', 'x'));
    expect(await given('docker.io.example', { auths })).toBeUndefined();
  },
);

describe('a credential helper', () => {
  const knows = { 'r.example': { Username: 'me', Secret: 'from the helper' } };
  const env = () => ({ PATH: folder, GITHUB_TOKEN: 'job', INPUT_TOKEN: 'job', HOME: folder });

  test('of the host is asked by the protocol, and sees nothing of the job', async () => {
    const asked = await helper('own', knows);
    const config = { credHelpers: { 'r.example': 'own' }, credsStore: 'absent' };
    expect(await given('r.example', config, env())).toEqual(password('me', 'from the helper'));
    expect(await asked()).toEqual([['get', 'r.example', []]]);
  });

  test('of all hosts is asked, under the name with the scheme too, before what the file itself has', async () => {
    const asked = await helper('all', { 'https://r.example': { Username: 'me', Secret: 's' } });
    const config = { credsStore: 'all', auths: { 'r.example': {}, other: { auth: base64('file:x') } } };
    expect(await given('r.example', config, env())).toEqual(password('me', 's'));
    expect(await given('other', config, env())).toEqual(password('file', 'x'));
    expect(await given('none', config, env())).toBeUndefined();
    expect((await asked()).slice(0, 3)).toEqual([
      ['get', 'r.example', []],
      ['get', 'https://r.example', []],
      ['get', 'other', []],
    ]);
  });

  test('may hold an identity token', async () => {
    await helper('own', { 'r.example': { Username: '<token>', Secret: 'idtok' } });
    const config = { credHelpers: { 'r.example': 'own' } };
    expect(await given('r.example', config, env())).toEqual({ kind: 'token', token: 'idtok' });
  });

  test('that is not installed is named, with the file that wants it', async () => {
    await writeFile(join(folder, 'config.json'), JSON.stringify({ credsStore: 'desktop' }));
    const find = findCredential('r.example', {
      env: { PATH: folder, DOCKER_CONFIG: folder },
      githubToken: undefined,
      signal,
    });
    await expect(find).rejects.toThrow(UserError);
    await expect(find).rejects.toThrow(
      `${join(folder, 'config.json')} names the credential helper "desktop", and docker-credential-desktop cannot be started. Install it, or take it out there`,
    );
  });

  describe('that hangs is ended with all that it started', () => {
    const hang = async () => {
      const file = join(folder, 'docker-credential-hangs');
      await writeFile(file, `#!/bin/sh\necho $$ >${folder}/pid\nexec /bin/sleep 600\n`, { mode: 0o755 });
      return { env: { ...env(), DOCKER_AUTH_CONFIG: '{"credsStore":"hangs"}' }, githubToken: undefined };
    };
    const lives = async (): Promise<boolean> =>
      readFile(`/proc/${(await readFile(join(folder, 'pid'), 'utf8')).trim()}/stat`).then(
        () => true,
        () => false,
      );

    test('and is named', async () => {
      const limit = jest.spyOn(AbortSignal, 'timeout');
      limit.mockReturnValueOnce(AbortSignal.timeout(500));
      const find = findCredential('r.example', { ...(await hang()), signal });
      await expect(find).rejects.toThrow(
        'DOCKER_AUTH_CONFIG names the credential helper "hangs", and docker-credential-hangs does not answer within 60 s. It may wait for a person: unlock what it asks, or take it out there',
      );
      expect(limit).toHaveBeenLastCalledWith(60_000);
      limit.mockRestore();
      expect(await lives()).toBe(false);
    });

    test('when the job is cancelled', async () => {
      const job = new AbortController();
      const find = findCredential('r.example', { ...(await hang()), signal: job.signal });
      setTimeout(() => job.abort(new Error('cancelled')), 500);
      await expect(find).rejects.toThrow('cancelled');
      expect(await lives()).toBe(false);
    });
  });

  test('whose name is a path is refused', async () => {
    await expect(given('r.example', { credsStore: '../evil' })).rejects.toThrow(
      'DOCKER_AUTH_CONFIG names the credential helper "../evil"; a helper is a plain name',
    );
  });
});

describe('the job’s own token', () => {
  const find = (host: string, githubToken: string | undefined, env: Record<string, string> = {}) =>
    findCredential(host, { env: { GITHUB_ACTOR: 'octocat', ...env }, githubToken, signal });

  test('is for ghcr.io alone', async () => {
    expect(await find('ghcr.io', 'tok')).toEqual(password('octocat', 'tok'));
    expect(await find('ghcr.io', 'tok', { GITHUB_ACTOR: '' })).toEqual(password('trainyard', 'tok'));
    for (const host of ['ghcr.io.evil', 'x.ghcr.io', 'ghcr.io:444', 'r.example', 'github.com'])
      expect(await find(host, 'tok')).toBeUndefined();
  });

  test('is used only where it is given as an input, whatever the environment holds', async () => {
    const env = { GITHUB_TOKEN: 'env', INPUT_TOKEN: 'env', ACTIONS_RUNTIME_TOKEN: 'env' };
    expect(await find('ghcr.io', undefined, env)).toBeUndefined();
    expect(await find('ghcr.io', '', env)).toBeUndefined();
  });

  test('comes after what the machine has', async () => {
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { 'ghcr.io': { auth: base64('robot:x') } } }) };
    expect(await find('ghcr.io', 'tok', env)).toEqual(password('robot', 'x'));
  });
});

describe('what is broken is told with its place and without what it holds:', () => {
  const SECRET = 'c2VjcmV0';
  test.each([
    ['no JSON', `{"auths": {"r.example": {"auth": "${SECRET}"}`, 'is not a Docker configuration'],
    ['another form', `{"auths": ["${SECRET}"]}`, 'is not a Docker configuration: JSON with "auths"'],
    [
      'an auth without a password',
      `{"auths": {"r.example": {"auth": "${SECRET}"}}}`,
      'holds an "auth" for r.example that is not user:password in base64',
    ],
  ])('%s', async (_, text, why) => {
    const message = await findCredential('r.example', {
      env: { DOCKER_AUTH_CONFIG: text },
      githubToken: undefined,
      signal,
    }).then(
      () => '',
      (error: unknown) => (error instanceof UserError ? error.message : `no UserError: ${error}`),
    );
    expect(message).toContain('DOCKER_AUTH_CONFIG ');
    expect(message).toContain(why);
    expect(message).not.toContain(SECRET);
    expect(message).not.toContain('secret');
  });

  test('DOCKER_CONFIG that names the file instead of its folder', async () => {
    const file = join(folder, 'config.json');
    await writeFile(file, '{}');
    const find = findCredential('r.example', {
      env: { DOCKER_CONFIG: file },
      githubToken: undefined,
      signal,
    });
    await expect(find).rejects.toThrow('DOCKER_CONFIG is the folder that holds config.json');
    await expect(find).rejects.toThrow(UserError);
  });
});
