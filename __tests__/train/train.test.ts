import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import { run } from '../../src/records/run.ts';
import { trainingOf } from '../../src/records/training.ts';
import { getRecord } from '../../src/store/records.ts';
import { train } from '../../src/train/train.ts';
import { putTrainer } from '../support/programs.ts';
import { dataAt, type TrainingMachine, trainingMachine } from '../support/training.ts';

let machine: TrainingMachine;
beforeAll(async () => {
  machine = await trainingMachine();
}, 120_000);
afterAll(() => machine.remove());

/** Writes what it was told into its outputs. */
const TELL = `
import json, os, sys
out = os.environ["TRAINYARD_OUTPUT_DIR"]
told = dict(argv=sys.argv[1:], env=dict(os.environ), cwd=os.getcwd(), prefix=sys.prefix, here=os.listdir("."))
told["params"] = json.load(open(os.environ["TRAINYARD_PARAMS_FILE"]))
json.dump(told, open(out + "/told.json", "w"))
`;

describe('a training', () => {
  test('becomes a Run with its outputs, metrics and log, by the trainer as its subject', async () => {
    const script = `
mkdir -p "$TRAINYARD_OUTPUT_DIR/sub"
printf b > "$TRAINYARD_OUTPUT_DIR/sub/b"; printf a > "$TRAINYARD_OUTPUT_DIR/a"; printf Z > "$TRAINYARD_OUTPUT_DIR/Z"
echo '{"step": 1, "loss": 0.5}' >> "$TRAINYARD_METRICS_FILE"
printf '{"step": 2, "loss": 0.25, "accuracy": 1}' >> "$TRAINYARD_METRICS_FILE"
echo to stdout; echo to stderr >&2`;
    const trainer = await putTrainer(
      machine.handoff,
      { 'train.sh': script },
      { command: ['sh', 'train.sh'] },
    );
    const result = await train({ trainer: trainer.digest, params: {}, commit: 'c0ffee' }, machine.deps);
    const { config, manifest } = await getRecord(machine.handoff, run, result.run.digest);
    expect(config).toMatchObject({
      trainingId: trainingOf(trainer, {}, '').trainingId,
      state: 'succeeded',
      commit: 'c0ffee',
      metrics: { loss: 0.25, accuracy: 1 },
      segments: [{ status: 0, signal: null }],
      machine: { os: process.platform, python: expect.stringMatching(/^3\./) },
    });
    expect(config).not.toHaveProperty('reason');
    expect(manifest.subject?.digest).toBe(trainer.digest);
    const titles = manifest.layers.map(({ annotations }) => annotations?.['org.opencontainers.image.title']);
    expect(titles).toEqual(['Z', 'a', 'sub/b', 'trainyard/metrics.jsonl', 'trainyard/log.txt']);
    expect(await machine.output(result, 'sub/b')).toBe('b');
    expect(machine.printed()).toMatch(/^step 2 loss 0.25 accuracy 1\b/m);
    expect(result.lastLines).toEqual(['to stdout', 'to stderr']);
    expect(result.series.get('loss')).toMatchObject({ first: 0.5, last: 0.25 });
    expect(await machine.leftovers()).toEqual([]);
  });

  test('is told its parameters, data and folders, and of the machine only what is allowed', async () => {
    await writeFile(join(machine.data, 'set.csv'), 'a,b\n');
    const result = await machine.train(
      { 'project/train.py': TELL, 'lib/x.txt': '' },
      {
        directory: 'project',
        command: ['python', 'train.py', '${params}', '--to=${output}', '${data.set}', '${params.rate}'],
        params: { rate: 0.1, deep: { a: [1] }, flag: true, name: 'x' },
        data: dataAt('set.csv', digestOf(Buffer.from('a,b\n'))),
        env: ['MODE', 'NOT_THERE'],
      },
      { rate: 0.5 },
      {
        env: {
          ...machine.deps.env,
          MODE: 'fast',
          API_KEY: 'secret',
          GITHUB_TOKEN: 'secret',
          TRAINYARD_DATA: machine.data,
        },
      },
    );
    const told = JSON.parse(await machine.output(result, 'told.json'));
    expect(told.params).toEqual({ rate: 0.5, deep: { a: [1] }, flag: true, name: 'x' });
    const data = join(machine.data, 'set.csv');
    expect(told.argv).toEqual([
      '--deep={"a":[1]}',
      '--flag=true',
      '--name=x',
      '--rate=0.5',
      `--to=${told.env.TRAINYARD_OUTPUT_DIR}`,
      data,
      '0.5',
    ]);
    expect(told.here).toEqual(['train.py']);
    expect(told.cwd).toMatch(/source\/project$/);
    expect(told.env).toMatchObject({ MODE: 'fast', TRAINYARD_DATA_SET: data, HOME: process.env.HOME });
    expect(told.prefix).toBe(told.env.VIRTUAL_ENV);
    const ours = Object.keys(told.env).filter((name) => name.startsWith('TRAINYARD_'));
    expect(new Set(ours)).toEqual(
      new Set(
        ['CHECKPOINT_DIR', 'DATA_SET', 'MARKER', 'METRICS_FILE', 'OUTPUT_DIR', 'PARAMS_FILE'].map(
          (name) => `TRAINYARD_${name}`,
        ),
      ),
    );
    expect(Object.keys(told.env).filter((name) => /^(INPUT|ACTIONS|GITHUB|RUNNER)_|KEY/.test(name))).toEqual(
      [],
    );
    expect(machine.log.warnings.at(-1)).toBe('trainer.env names NOT_THERE, which is not set on this machine');
  });

  test('gets parameters of any content unchanged, and no shell reads them', async () => {
    const hostile = {
      quote: '"; touch PWN #',
      shell: '$(touch PWN) `touch PWN` ${output} $HOME',
      lines: 'a\nEVIL=1\n::add-path::/x\n<<EOF\nEOF\nghadelimiter_1',
      empty: '',
      option: '--output=/etc',
      unicode: '\u{1F680} é',
    };
    const declared = Object.fromEntries(Object.keys(hostile).map((name) => [name, '']));
    const command = ['python', 'train.py', ...Object.keys(hostile).map((name) => `\${params.${name}}`)];
    const result = await machine.train({ 'train.py': TELL }, { command, params: declared }, hostile);
    const told = JSON.parse(await machine.output(result, 'told.json'));
    expect(told.params).toEqual(hostile);
    expect(told.argv).toEqual(Object.values(hostile));
    expect(told.here).toEqual(['train.py']);
    expect(result.run.config.params).toEqual(hostile);
  });

  test('keeps the modes of its source, and moves its outputs instead of copying them', async () => {
    const result = await machine.train(
      {
        'bin/train':
          '#!/bin/sh\nprintf model > "$TRAINYARD_OUTPUT_DIR/m"; stat -c %i "$TRAINYARD_OUTPUT_DIR/m"\n',
      },
      { command: ['./bin/train'] },
    );
    const model = machine.handoff.pathOf(digestOf(Buffer.from('model')));
    expect(result.lastLines).toEqual([String((await stat(model)).ino)]);
    expect(await readFile(model, 'utf8')).toBe('model');
  });

  test('works in folders whose names need quoting', async () => {
    const environments = join(machine.root, 'env "$(touch PWN)" ü');
    await mkdir(environments);
    const result = await machine.train({ 'train.py': TELL }, {}, {}, { environments });
    expect(JSON.parse(await machine.output(result, 'told.json')).prefix).toContain(environments);
  });
});
