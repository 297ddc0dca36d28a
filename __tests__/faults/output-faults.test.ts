/** Faults 24 and 26: outputs that are no plain files, empty, or named so that another system cannot have them. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { train } from '../../src/train/train.ts';
import { onnx } from '../support/models.ts';
import { PROJECT } from '../support/project.ts';
import { type TrainingMachine, trainingMachine } from '../support/training.ts';
import { digestIn, openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

const external = { location: 'model.data', offset: '0', length: '16' };
const MODEL = onnx({ weights: [{ name: 'w', dims: [4], external }] });

/** What a training may leave in its output folder, by its parameter. */
const KINDS = {
  good: 'head -c 16 /dev/zero > model.data',
  symlink: 'ln -s /etc/passwd model.data',
  hardlink: 'head -c 16 /dev/zero > ../outside; ln ../outside model.data',
  loop: 'head -c 16 /dev/zero > model.data; mkdir loop; ln -s ../loop loop/loop',
  pipe: 'mkfifo model.data',
  folder: 'rm -r "$TRAINYARD_OUTPUT_DIR"; ln -s /etc "$TRAINYARD_OUTPUT_DIR"',
  latin: 'touch "$(printf "mod\\344l")"',
  newline: 'touch "a\nb"',
  nothing: 'rm model.onnx',
  folders: 'rm model.onnx; mkdir -p a/b',
  empty: ': > model.data',
};

let shop: Workshop;
let machine: TrainingMachine;
beforeAll(async () => {
  machine = await trainingMachine();
  const cases = Object.entries(KINDS).map(([kind, script]) => `--kind=${kind}) ${script} ;;`);
  const script = `cp model.onnx "$TRAINYARD_OUTPUT_DIR"; cd "$TRAINYARD_OUTPUT_DIR"\ncase "$1" in\n${cases.join('\n')}\n*) exit 9\nesac\n`;
  const project = `name: toy
trainer:
  source: [train.sh, model.onnx]
  python: {requirements: requirements.txt}
  command: sh train.sh \${params}
  params: {kind: good}
model: {files: [model.onnx, model.data]}
`;
  const files = { 'trainyard.yml': project, 'train.sh': script, 'model.onnx': MODEL, 'requirements.txt': '' };
  shop = await openWorkshop({ files: { ...files, 'README.md': PROJECT['README.md'] } });
}, 120_000);
afterEach(() => shop.reset());
afterAll(async () => {
  await machine.remove();
  await shop.remove();
});

/** Trains for real, and packages what came of it. */
async function line(kind: string) {
  const built = await shop.build({ params: JSON.stringify({ kind }) });
  const request = { trainer: digestIn(built, 'trainer'), params: { kind }, commit: null };
  const { run } = await train(request, { ...machine.deps, handoff: shop.handoff });
  return { reason: run.config.reason ?? '', packaged: () => shop.package(built, run.digest) };
}

/** Trains into each trouble: the run fails for this reason and is refused, and the store stays empty. Then one is packaged. */
async function failed(kinds: Readonly<Record<string, RegExp>>): Promise<void> {
  for (const [kind, said] of Object.entries(kinds)) {
    const { reason, packaged } = await line(kind);
    expect(reason).toMatch(said);
    expect(await refusalOf(packaged())).toMatch(
      /^run sha256:\w+ failed; only a succeeded run can be packaged\. Its log is in the run; train again$/,
    );
  }
  await recovers();
}

async function recovers(): Promise<void> {
  expect([...(await shop.store.names('')).keys()]).toEqual([]);
  const { packaged } = await line('good');
  expect((await packaged()).outputs.package).toMatch(/^sha256:/);
}

test('fault 24: external data of ONNX that is a link is never followed; the training fails and names it', async () => {
  await failed({
    symlink:
      /the outputs cannot be taken: model\.data is a symbolic link; only files and folders can be taken/,
    hardlink: /model\.data is a hard link, whose other name may lie anywhere; write a file of its own/,
  });
}, 120_000);

test('fault 26: an output folder that holds what is no file, or nothing, fails the training by its name', async () => {
  await failed({
    loop: /loop\/loop is a symbolic link/,
    pipe: /model\.data is a named pipe; only files and folders can be taken/,
    folder: /the program removed or replaced its output folder; it may only write files into it/,
    latin: /"mod\uFFFDl" has a name with a character that is not portable; rename it/,
    newline: /"a\\nb" has a name with a character that is not portable; rename it/,
    nothing: /the program made no output: it must write its files into the folder/,
    folders: /the program made no output/,
  });
}, 240_000);

test('fault 26: an empty file is refused when it is packaged', async () => {
  const { packaged } = await line('empty');
  expect(await refusalOf(packaged())).toMatch(/: model\.data is empty; let the trainer write it$/m);
  await recovers();
}, 120_000);

test('fault 26: names that are not one and the same file on every system are refused', async () => {
  const names = {
    'con.json': 'has the name con.json, which is a device on Windows; rename it',
    'a.json.': 'has a name that ends in a dot or space, which Windows drops; rename it',
    'b.json ': 'has a name that ends in a dot or space',
    [`${'x'.repeat(251)}.json`]: 'has a name with a part of more than 255 bytes',
    'readme.md': 'and "README.md" are one name where case or accents\' form do not count; rename it',
    'caf\u00e9.json': undefined,
    'cafe\u0301.json': 'and "caf\u00e9.json" are one name',
    'A.json': undefined,
    'a.json': 'and "A.json" are one name',
    'key.pem': 'is a file for secrets, by its name; take it off model.files',
    'sub/.env': 'is a file for secrets, by its name',
    'steps.py': 'is code, by its name; the server’s code belongs in server.source',
  };
  const files = `files: ${JSON.stringify(Object.keys(names))}`;
  await shop.repository.edit('trainyard.yml', /files: .*\]/, files);
  const built = await shop.build();
  const outputs = Object.fromEntries(Object.keys(names).map((name) => [name, '{}']));
  const { digest } = await shop.train(built, { outputs, params: { kind: 'good' } });
  const told = (await refusalOf(shop.package(built, digest))).split('\n  - ').slice(1);
  const expected = Object.entries(names).filter(([, why]) => why !== undefined);
  expect(told).toHaveLength(expected.length);
  for (const [index, [name, why = '']] of expected.entries())
    expect(told[index]).toContain(`: ${name} ${why}`);
  expect([...(await shop.store.names('')).keys()]).toEqual([]);
});
