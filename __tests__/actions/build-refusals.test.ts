/** What build refuses: one error that names the place and the fix, and nothing is left behind. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { PROJECT } from '../support/project.ts';
import { openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
let good: string;
beforeAll(async () => {
  shop = await openWorkshop();
  good = (await shop.repository.git('rev-parse', 'HEAD')).trim();
});
afterEach(async () => {
  await shop.repository.git('reset', '-q', '--hard', good);
  await expect(readdir(shop.handoff.location)).rejects.toThrow(/ENOENT/);
});
afterAll(() => shop.remove());

const yml = PROJECT['trainyard.yml'];

const refusal = (inputs: Readonly<Record<string, string>> = {}): Promise<string> =>
  refusalOf(shop.build(inputs));

describe('a project', () => {
  test('that is not there', async () => {
    expect(await refusal({ project: 'nowhere' })).toMatch(
      /^input project is "nowhere", and there is no such folder in \/.*repository\. Check out the repository before/,
    );
    const hostile = '"; touch PWN #\nEOF';
    expect(await refusal({ project: hostile })).toContain(`input project is ${JSON.stringify(hostile)}`);
    expect(await readdir(shop.repository.folder)).not.toContain('PWN');
  });

  test('that is not in a repository, or in one without a commit', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'trainyard-outside-'));
    try {
      expect(await refusal({ project: outside })).toMatch(
        /is not in a git repository with a commit\. Commit the project/,
      );
      await shop.repository.git('init', '-q', outside);
      expect(await refusal({ project: outside })).toMatch(/is not in a git repository with a commit/);
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  test('without trainyard.yml is told where there are some', async () => {
    await mkdir(join(shop.repository.folder, 'lib'), { recursive: true });
    expect(await refusal({ project: 'lib' })).toMatch(
      /^commit [0-9a-f]{12} has no lib\/trainyard\.yml\. This commit has projects in: \.; give one of them as input project$/,
    );
    await shop.repository.commit({ 'trainyard.yml': undefined });
    expect(await refusal()).toMatch(/has no trainyard\.yml\. Write one .*, and commit it/);
    await writeFile(join(shop.repository.folder, 'trainyard.yml'), yml);
    expect(await refusal()).toMatch(/has no trainyard\.yml/);
  });
});

describe('trainyard.yml', () => {
  test('with unknown, mistyped and missing keys: all at once, each with its line and column', async () => {
    await shop.repository.commit({
      'trainyard.yml': `name: Toy!
trainer:
  sources: [train.py]
  source: train.py
  python: {requirements: requirements.txt, locks: uv.lock}
  command: python train.py > log.txt
  params: {rate: .nan}
  data: {numbers: {path: numbers.csv, digest: sha256:abc}}
  timeout: 2 hours
  resources: {gpu-memory: 24GB}
metrics: {accuracy: {goal: high, min: "0.9"}}
model: {files: [../model.onnx, /abs, a\\b], cards: x}
server: {source: []}
serve: {}
`,
    });
    const lines = (await refusal()).split('\n');
    expect(lines[0]).toBe('trainyard.yml has mistakes:');
    const at = (place: string): string =>
      lines.find((line) => line.startsWith(`  - trainyard.yml:${place}:`)) ?? lines.join('\n');
    expect(at('1:7')).toMatch(/name: a name is a lower-case letter or digit/);
    expect(at('3:3')).toMatch(/trainer: unknown key "sources"; allowed are source, python, command, params/);
    expect(at('4:11')).toMatch(/trainer\.source: expected array, received string$/);
    expect(at('5:44')).toMatch(/trainer\.python: unknown key "locks"; allowed are requirements$/);
    expect(at('6:12')).toMatch(/trainer\.command: ">" needs a shell, and there is none/);
    expect(at('7:18')).toMatch(/trainer\.params\.rate: a JSON value; \.nan and \.inf are none$/);
    expect(at('8:47')).toMatch(
      /trainer\.data\.numbers\.digest: a digest: sha256: and 64 hexadecimal digits$/,
    );
    expect(at('9:12')).toMatch(/a duration such as 90s, 30m/);
    expect(at('10:28')).toMatch(/an amount of memory such as 512MiB/);
    expect(at('11:28')).toMatch(/"maximize"\|"minimize"/);
    expect(at('11:39')).toMatch(/metrics\.accuracy\.min: .*expected number/);
    expect(at('12:17')).toMatch(/model\.files\.0: a relative path inside the folder/);
    expect(at('12:32')).toMatch(/model\.files\.1/);
    expect(at('12:38')).toMatch(/model\.files\.2/);
    expect(at('12:44')).toMatch(/model: unknown key "cards"; allowed are files, card/);
    expect(at('13:9')).toMatch(/server\.command: missing; a command: a string, or a list of strings$/);
    expect(at('13:18')).toMatch(/server\.source/);
    expect(at('14:1')).toMatch(/unknown key "serve"; allowed are name, trainer, metrics, model, server/);
  });

  test('that is not YAML, or has a key twice', async () => {
    await shop.repository.commit({ 'trainyard.yml': 'name: toy\nname: toy\ntrainer: {\n' });
    const message = await refusal();
    expect(message).toMatch(
      /^trainyard\.yml is not YAML:\n {2}- trainyard\.yml:2:1: .*unique.*\n {2}- trainyard\.yml:4:1: /,
    );
  });

  test('that is empty', async () => {
    await shop.repository.commit({ 'trainyard.yml': '# later\n' });
    expect(await refusal()).toMatch(/^trainyard\.yml has mistakes: trainyard\.yml:1:1: .*expected object/);
  });

  test.each([
    [
      'python: {requirements: requirements.txt}\n  command',
      'command',
      /trainyard\.yml:3:3: trainer\.python: missing/,
    ],
    [
      '{requirements: requirements.txt}',
      '{requirements: requirements.txt}\n  image: x@sha256:1',
      /trainer: unknown key "image"/,
    ],
    ['python: {requirements: serve.txt}', 'image: x@sha256:1', /an image pinned by digest/],
    ['  python: {requirements: serve.txt}\n', '', /server: give python, .* or image, .* or both/],
    ['python train.py ${params}', 'python "train.py', /a quote is not closed/],
    [
      'files: [model.onnx]',
      'files: [a, a, README.md, golden.jsonl]',
      /trainyard\.yml:11:20: model\.files\.1: a is in the package already.*\n.*:11:23: model\.files\.2: README\.md is in.*\n.*:11:34: model\.files\.3: golden\.jsonl is in/,
    ],
    ['timeout: 10m', 'timeout: 0s', /a duration above zero/],
    [
      'data: {numbers:',
      `data: {a-b: {path: a, digest: "sha256:${'0'.repeat(64)}"}, a_b: {path: b, digest: "sha256:${'1'.repeat(64)}"}, numbers:`,
      /trainyard\.yml:7:\d+: trainer\.data\.a_b: a_b and a-b are one name in TRAINYARD_DATA_…; rename one$/,
    ],
    [
      'python train.py ${params}',
      'python train.py ${param} --x=${data.other}',
      /trainyard\.yml:5:12: trainer\.command.*\n.*\$\{param\} is not known; known are: \$\{params\}, \$\{params\.epochs\}.*\n.*\$\{data\.other\} is not known/,
    ],
    [
      '--port ${port}',
      '--port ${PORT}',
      /trainyard\.yml:15:12: server\.command.*\$\{PORT\} is not known; known are: \$\{model\}, \$\{models\}, \$\{host\}, \$\{port\}/,
    ],
  ])('with %j → %j', async (from, to, said) => {
    await shop.repository.edit('trainyard.yml', from, to);
    expect(await refusal()).toMatch(said);
  });
});

describe('input params', () => {
  test('that are not declared or have another type: all at once', async () => {
    expect(await refusal({ params: '{"epoch": 4, "rate": "fast", "epochs": 5}' })).toBe(
      'input params cannot be used:\n' +
        '  - "epoch" is not a parameter; declared are: epochs, rate\n' +
        '  - rate is "fast" (string), but the default 0.1 is a number',
    );
  });

  test.each([
    ['[1]', /input params must be a mapping of names to values, as JSON or YAML/],
    ['a: b: c', /^the inputs cannot be used: input params is neither JSON nor YAML \([^\n]+\)$/],
  ])('%j', async (params, said) => {
    expect(await refusal({ params })).toMatch(said);
  });

  test('are told together with other inputs that are bad', async () => {
    expect(await refusal({ params: '[1]', project: '', store: '' })).toBe(
      'the inputs cannot be used:\n  - input project is required\n' +
        '  - input params must be a mapping of names to values, as JSON or YAML\n  - input store is required',
    );
  });
});

describe('files that trainyard.yml names', () => {
  test('requirements that are not pinned, each with its line', async () => {
    await shop.repository.commit({
      'requirements.txt': `# pinned\nnumpy-x==2.0 \\\n  --hash=sha256:${'a'.repeat(64)}\n\nnumpy\n-r more.txt\n--index-url https://example.com/simple\n-e .\n./local.whl\n`,
    });
    expect(await refusal()).toBe(
      'requirements.txt does not pin everything; write it with: uv pip compile --generate-hashes -o requirements.txt FILE.in:\n' +
        '  - requirements.txt:5: numpy has no --hash\n' +
        '  - requirements.txt:6: -r more.txt names something that is not in this file\n' +
        '  - requirements.txt:8: -e . names something that is not in this file\n' +
        '  - requirements.txt:9: ./local.whl has no --hash',
    );
    await shop.repository.git('reset', '-q', '--hard', good);
    await shop.repository.write({ 'deps.lock': 'numpy\n' });
    await shop.repository.edit(
      'trainyard.yml',
      '{requirements: requirements.txt}',
      '{requirements: deps.lock}',
    );
    expect(await refusal()).toMatch(/deps\.lock:1: numpy has no --hash/);
  });

  test.each([
    [
      'requirements: requirements.txt',
      'requirements: no.txt',
      /python in trainyard\.yml needs no\.txt, and the commit has no such file/,
    ],
    [
      '{requirements: requirements.txt}',
      '{lock: uv.lock}',
      /needs uv\.lock, and the commit has no such file/,
    ],
    [
      'params: {epochs: 3, rate: 0.1}',
      'params: params.yml',
      /trainyard\.yml:6:11: trainer\.params is params\.yml, and the commit has no params\.yml/,
    ],
    [
      'params: {epochs: 3, rate: 0.1}',
      'params: README.md',
      /README\.md has mistakes: README\.md:1:1: .*a mapping of names to values/,
    ],
    [
      'config: config.schema.json',
      'config: no.json',
      /trainyard\.yml:18:11: server\.config is no\.json, and the commit has no no\.json/,
    ],
    [
      'source: [train.py, lib/]',
      'source: [train.py, nothing/, "*.rs", ../up.py, /etc/passwd, "!lib"]',
      /^source cannot be packed:\n.*trainyard\.yml:3:22: nothing\/ matches no file of commit [0-9a-f]{12}\n.*:3:32: \*\.rs matches no file.*\n.*:3:40: \.\.\/up\.py is outside the repository\n.*:3:50: \/etc\/passwd is outside the repository\n.*:3:63: !lib matches no file/,
    ],
  ])('%j → %j', async (from, to, said) => {
    await shop.repository.edit('trainyard.yml', from, to);
    expect(await refusal()).toMatch(said);
  });

  test('Git LFS pointers, as source and as lock', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'1'.repeat(64)}\nsize 12345\n`;
    await shop.repository.commit({ 'lib/weights.bin': pointer });
    expect(await refusal()).toMatch(
      /^files that Git LFS keeps cannot be read; give actions\/checkout the input lfs: true, or run git lfs pull: lib\/weights\.bin: .*\/1{64} is not there$/,
    );
    await shop.repository.commit({ 'requirements.txt': pointer });
    expect(await refusal()).toMatch(
      /files that Git LFS keeps cannot be read; .*: requirements\.txt: .*is not there$/,
    );
  });

  test('links and submodules, as source, above it, and as lock', async () => {
    const { git, edit } = shop.repository;
    const object = (await git('rev-parse', 'HEAD:README.md')).trim();
    const plant = (mode: string, path: string, what: string): Promise<string> =>
      git('update-index', '--add', '--cacheinfo', `${mode},${what},${path}`);
    await plant('160000', 'lib/vendor', good);
    await plant('120000', 'lib/link.py', object);
    await git('commit', '-q', '-m', 'Plant');
    expect(await refusal()).toMatch(
      /^source cannot be packed:\n.*trainyard\.yml:3:22: lib\/link\.py is a symbolic link: name the file that it points to\n.*3:22: lib\/vendor is a git submodule, and its commit [0-9a-f]{12} is not here: give actions\/checkout the input submodules: recursive, or run git submodule update --init --recursive$/,
    );
    await git('reset', '-q', '--hard', good);
    await plant('160000', 'vendor', good);
    await plant('120000', 'requirements.txt', object);
    await git('commit', '-q', '-m', 'Plant');
    expect(await refusal()).toBe('requirements.txt is a symbolic link: name the file that it points to');
    await git('checkout', '-q', '--', '.');
    await edit('trainyard.yml', '[train.py, lib/]', '[vendor/train.py]');
    expect(await refusal()).toMatch(/vendor\/train\.py: vendor is a git submodule/);
  });
});

describe('a store', () => {
  test.each([
    [
      's3://bucket',
      /^handoff is "s3:\/\/bucket", a kind of store that is not known\. Known are: a folder .*, and artifact:/,
    ],
    [
      'yard',
      /^handoff is "yard", a relative path, and each job has a folder of its own\. Give an absolute path/,
    ],
    [
      join(import.meta.dirname, 'build.test.ts'),
      /^handoff is ".*build\.test\.ts", a file; a store is a folder/,
    ],
    [join(import.meta.dirname, 'build.test.ts', 'x'), /^handoff is ".*", below a file; a store is a folder/],
  ])('%s', async (handoff, said) => {
    expect(await refusal({ handoff })).toMatch(said);
  });
});
