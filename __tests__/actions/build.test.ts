import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { action } from '../../src/actions/build.ts';
import { program } from '../../src/records/program.ts';
import { copyRecord } from '../../src/store/copy.ts';
import { getRecord } from '../../src/store/records.ts';
import { PROJECT } from '../support/project.ts';
import { digestIn, openWorkshop, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterEach(() => shop.reset());
afterAll(() => shop.remove());

/** A Run of what was built that package-model took into the store. */
async function finish(built: Readonly<Record<string, string>>): Promise<string> {
  const { digest } = await shop.train(built);
  await shop.package(built, digest);
  return digest;
}

describe('what build packs', () => {
  test('is the commit, whatever the work tree holds', async () => {
    const built = await shop.build();
    expect(Object.keys(built)).toEqual(['trainer', 'server', 'run', 'training-id']);
    expect(shop.log.warnings).toEqual([]);
    await shop.repository.write({
      'train.py': 'import lib.steps\r\n',
      'lib/untracked.py': 'x = 1\n',
      'trainyard.yml': 'not: {yaml',
      'serve.py': undefined,
    });
    await chmod(join(shop.repository.folder, 'requirements.txt'), 0o755);
    expect(await shop.build()).toEqual(built);
    expect(shop.log.warnings).toEqual([expect.stringMatching(/changes that are not committed/)]);
  });

  test('is the same in another folder, under another umask, in another time zone, on another day', async () => {
    const built = await shop.build();
    const before = { umask: process.umask(0o077), TZ: process.env.TZ, date: process.env.GIT_COMMITTER_DATE };
    try {
      process.env.TZ = 'Pacific/Auckland';
      process.env.GIT_COMMITTER_DATE = '2001-02-03T04:05:06Z';
      const other = await openWorkshop();
      try {
        expect((await other.repository.git('log', '-1', '--format=%cI')).slice(0, 4)).toBe('2001');
        expect(await other.build()).toEqual(built);
      } finally {
        await other.remove();
      }
    } finally {
      process.umask(before.umask);
      for (const [name, value] of [
        ['TZ', before.TZ],
        ['GIT_COMMITTER_DATE', before.date],
      ] as const)
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
    }
  });

  test('stays the same when the project moves in its repository, and when another project comes beside it', async () => {
    const built = await shop.build();
    const moved = await openWorkshop({ project: 'models/new [1] (copy)' });
    try {
      await writeFile(join(moved.repository.folder, 'trainyard.yml'), 'another project');
      await moved.repository.commit();
      expect(await moved.build()).toEqual(built);
    } finally {
      await moved.remove();
    }
  });
});

describe('a training id', () => {
  const stays: [
    what: string,
    path: string,
    from: string,
    to: string,
    program: 'trainer' | 'server' | 'none',
  ][] = [
    ['the README', 'README.md', 'toy', 'small', 'none'],
    ['the model card', 'MODEL.md', 'Counts', 'Adds', 'none'],
    ['a threshold', 'trainyard.yml', 'min: 0.9', 'min: 0.5', 'none'],
    ['the files of the model', 'trainyard.yml', '[model.onnx]', '[model.onnx, labels.txt]', 'none'],
    ['an environment’s configuration', 'environments/staging.yml', '0.4', '0.5', 'none'],
    ['the resources', 'trainyard.yml', 'gpus: 0', 'gpus: 1', 'trainer'],
    ['the timeout', 'trainyard.yml', '10m', '20m', 'trainer'],
    ['the place of the data', 'trainyard.yml', 'numbers.csv', 'here/numbers.csv', 'trainer'],
    ['the server', 'serve.py', 'serving', 'up', 'server'],
    ['the server’s packages', 'serve.txt', '1.20.0', '1.21.0', 'server'],
    ['the configuration schema', 'config.schema.json', '"low"', '"none"', 'server'],
  ];
  test.each(stays)('does not depend on %s', async (_, path, from, to, program) => {
    const built = await shop.build();
    await shop.repository.edit(path, from, to);
    const again = await shop.build();
    expect(again['training-id']).toBe(built['training-id']);
    expect(again.trainer === built.trainer).toBe(program !== 'trainer');
    expect(again.server === built.server).toBe(program !== 'server');
  });

  const changes: [what: string, path: string, from: string, to: string][] = [
    ['a parameter', 'trainyard.yml', 'epochs: 3', 'epochs: 4'],
    ['the data', 'trainyard.yml', 'dddd', 'eeee'],
    ['the source', 'lib/steps.py', '3', '4'],
    ['the lock', 'requirements.txt', '2.0.0', '2.0.1'],
    ['the command', 'trainyard.yml', 'python train.py', 'python -O train.py'],
    ['what belongs to the source', 'trainyard.yml', '[train.py, lib/]', '[train.py, lib/, README.md]'],
  ];
  test.each(changes)('depends on %s', async (_, path, from, to) => {
    const built = await shop.build();
    await shop.repository.edit(path, from, to);
    const again = await shop.build();
    expect(again['training-id']).not.toBe(built['training-id']);
    expect(again.server).toBe(built.server);
  });

  test('depends on whether a source file is executable', async () => {
    const built = await shop.build();
    await shop.repository.git('update-index', '--chmod=+x', 'train.py');
    await shop.repository.git('commit', '-q', '-m', 'Executable');
    expect((await shop.build())['training-id']).not.toBe(built['training-id']);
  });

  test('depends on overrides, which do not change the trainer; one with the default’s value is none', async () => {
    const built = await shop.build();
    const yaml = await shop.build({ params: 'epochs: 4' });
    const json = await shop.build({ params: '{"epochs": 4}' });
    expect(json).toEqual(yaml);
    expect(yaml.trainer).toBe(built.trainer);
    expect(yaml['training-id']).not.toBe(built['training-id']);
    expect(await shop.build({ params: 'epochs: 3' })).toEqual(built);
  });
});

describe('a finished Run', () => {
  test('is found by its training id, after changes that train nothing', async () => {
    const built = await shop.build();
    expect(built.run).toBe('');
    const run = await finish(built);
    await shop.repository.edit('serve.py', 'serving', 'up');
    await shop.repository.edit('trainyard.yml', '10m', '20m');
    expect((await shop.build()).run).toBe(run);
    expect((await shop.build({ params: 'rate: 0.2' })).run).toBe('');
  });

  test('counts in the store only, never in a hand-off', async () => {
    const built = await shop.build();
    await finish(built);
    expect((await shop.build({ store: join(shop.root, 'empty') })).run).toBe('');
  });

  test('is told by what it says, not by a name that was moved to the Run of another training', async () => {
    const built = await shop.build();
    await finish(built);
    const names = await shop.store.names('training-');
    const other = await shop.train(await shop.build({ params: 'rate: 0.2' }), { params: { rate: 0.2 } });
    await copyRecord(shop.handoff, shop.store, other.digest);
    await shop.store.put((await shop.store.get(other.digest)) ?? Buffer.alloc(0), [...names.keys()]);
    expect((await shop.build()).run).toBe('');
  });
});

describe('build’s summary', () => {
  test('begins with its verdict and shows what an override changed', async () => {
    const { summary, failure } = await shop.run(action, { params: 'epochs: 4' });
    expect(failure).toBeUndefined();
    expect(summary).toMatch(/^### 🔨 toy · commit <code>[0-9a-f]{12}<\/code> is built · it trains as <code>/);
    expect(summary).toContain('| <code>epochs</code> | **<code>4</code>** | <code>3</code> |');
    await finish(await shop.build());
    expect((await shop.run(action, {})).summary).toMatch(/^### ♻ toy · nothing to train · run <code>/);
  });
});

test('its summary says why it trains again', async () => {
  await finish(await shop.build());
  const why = async (params = ''): Promise<string | undefined> =>
    /\*\*Why it trains\*\* (.*), since run <code>\w{12}<\/code>/.exec(
      (await shop.run(action, { params })).summary,
    )?.[1];
  expect(await why()).toBeUndefined();
  expect(await why('{"epochs": 4, "rate": 0.2}')).toBe('parameter epochs 3 → 4 · parameter rate 0.1 → 0.2');
  await shop.repository.edit('lib/steps.py', '3', '4');
  await shop.repository.edit('requirements.txt', '2.0.0', '2.0.1');
  await shop.repository.edit('trainyard.yml', 'python train.py', 'python -O train.py');
  await shop.repository.edit('trainyard.yml', 'dddd', 'eeee');
  expect(await why()).toBe(
    'data numbers dddddddddddd → eeeeeeeeeeee · source: lib/steps.py changed · environment: numpy 2.0.0 → 2.0.1 · command',
  );
});

test('its summary names files and packages that came and went, the first five of them', async () => {
  await finish(await shop.build());
  const added = Object.fromEntries('abcdef'.split('').map((name) => [`lib/${name}.py`, '']));
  await shop.repository.commit({ ...added, 'lib/steps.py': undefined });
  await shop.repository.edit('requirements.txt', 'numpy==2.0.0', 'SciPy.Extra==1.0');
  const { summary } = await shop.run(action, {});
  expect(summary).toContain(
    'source: lib/steps.py removed, lib/a.py added, lib/b.py added, lib/c.py added, lib/d.py added and 2 more',
  );
  expect(summary).toContain('environment: numpy 2.0.0 removed, scipy-extra 1.0 added');
});

test('its summary names the source alone when the old one cannot be read any more', async () => {
  const built = await shop.build();
  await finish(built);
  const { manifest } = await getRecord(shop.store, program, digestIn(built, 'trainer'));
  for (const { digest } of manifest.layers) await rm(shop.store.pathOf(digest));
  await shop.repository.edit('lib/steps.py', '3', '4');
  expect((await shop.run(action, {})).summary).toContain('**Why it trains** source, since run');
});

test('a training can be forced: no Run is given on, and the summary names the one that would have done', async () => {
  const run = await finish(await shop.build());
  const { outputs, summary } = await shop.run(action, { force: 'true' });
  expect(outputs.run).toBe('');
  expect(summary).toMatch(/^### 🔨 toy · commit <code>\w{12}<\/code> is built · it trains again as <code>/);
  expect(summary).toContain(`it is forced; run <code>${run.slice(7, 19)}</code>`);
});

test('the order of the keys of a parameter is no reason to train', async () => {
  await shop.repository.edit('trainyard.yml', 'rate: 0.1', 'rate: {start: 1, end: 0.1}');
  await finish(await shop.build());
  const { summary } = await shop.run(action, { params: '{"epochs": 4, "rate": {"end": 0.1, "start": 1}}' });
  expect(summary).toContain('**Why it trains** parameter epochs 3 → 4, since run');
  expect(summary).toMatch(/\| <code>rate<\/code> \| <code>.*<\/code> \| {2}\|/);
});

test('builds a project without a server, and one of a lock of uv', async () => {
  await shop.repository.commit({
    'trainyard.yml': PROJECT['trainyard.yml']
      .replace(/server:[\s\S]*/, '')
      .replace('{requirements: requirements.txt}', '{lock: uv.lock, groups: [train]}'),
    'uv.lock': 'version = 1\n',
    'pyproject.toml': '[project]\nname = "toy"\n',
  });
  const built = await shop.build();
  expect(built.server).toBe('');
  await shop.repository.edit('pyproject.toml', 'toy', 'other');
  expect((await shop.build())['training-id']).not.toBe(built['training-id']);
});

test('writes nothing to the store that it looks into', async () => {
  await shop.build();
  await expect(readdir(shop.store.location)).rejects.toThrow(/ENOENT/);
});
