/** What package-model refuses: one error that names the place and the fix, and nothing is in the store. */
import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Digest, digestOf } from '../../src/lib/digest.ts';
import { run as runKind } from '../../src/records/run.ts';
import { getRecord } from '../../src/store/records.ts';
import { PICKLES, torchFile } from '../support/models.ts';
import { MODEL } from '../support/runs.ts';
import { digestIn, openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterEach(() => shop.reset());
afterAll(() => shop.remove());

describe('refused, with nothing in the store:', () => {
  afterEach(async () => {
    await expect(readdir(shop.store.location)).rejects.toThrow(/ENOENT/);
  });

  test.each([
    ['failed', /^run sha256:\w+ failed; only a succeeded run can be packaged/],
    ['cancelled', /^run sha256:\w+ was cancelled; only a succeeded run can be packaged/],
    ['hung', /^run sha256:\w+ ended as hung; only a succeeded run can be packaged/],
    [
      'checkpointed',
      /^run sha256:\w+ stopped with a checkpoint; .* Give its digest to train as the input previous/,
    ],
  ] as const)('a run with the state %s', async (state, said) => {
    const { pack } = await shop.trained({ claims: { state } });
    expect(await refusalOf(pack())).toMatch(said);
  });

  test('a run of another trainer, of other parameters, and one that is claimed to be of this training', async () => {
    const old = await shop.trained();
    await shop.repository.edit('lib/steps.py', '3', '4');
    const built = await shop.build();
    const said =
      /^run sha256:\w+ is not of this training: build asked for training id sha256:\w+, and the run is of sha256:\w+, by trainer sha256:\w+ instead of sha256:\w+\. Hand over/;
    expect(await refusalOf(shop.package(built, old.run))).toMatch(said);
    const id = digestIn(built, 'training-id');
    const liar = await shop.train(old.built, { claims: { trainingId: id } });
    expect(await refusalOf(shop.package(built, liar.digest))).toMatch(/is not of this training/);
    const others = await shop.train(built, { params: { epochs: 9 } });
    expect(await refusalOf(shop.package(built, others.digest))).toMatch(/is not of this training/);
    expect(
      await refusalOf(shop.package({ ...built, 'training-id': others.config.trainingId }, others.digest)),
    ).toMatch(/^not refused/);
    await rm(shop.store.location, { recursive: true });
  });

  test('a run that tells other data or parameters than its training id covers', async () => {
    const built = await shop.build();
    const otherData = await shop.train(built, { claims: { data: { numbers: `sha256:${'e'.repeat(64)}` } } });
    expect(await refusalOf(shop.package(built, otherData.digest))).toMatch(/is not of this training/);
    const fewer = await shop.train(built, { claims: { params: { epochs: 3 } } });
    expect(await refusalOf(shop.package(built, fewer.digest))).toMatch(/is not of this training/);
  });

  test('records of other kinds, and records that are not there', async () => {
    const { built, run } = await shop.trained();
    const { trainer = '', server = '' } = built;
    expect(await refusalOf(shop.package(built, trainer))).toBe(
      `${trainer} is a program, but a run (application/vnd.trainyard.run.v1+json) is needed here`,
    );
    expect(await refusalOf(shop.package({ ...built, trainer: server }, run))).toMatch(
      /is a server; a trainer is needed here/,
    );
    expect(await refusalOf(shop.package({ ...built, server: trainer }, run))).toMatch(
      /^input server is sha256:\w+, which is a trainer/,
    );
    expect(await refusalOf(shop.package(built, `sha256:${'0'.repeat(64)}`))).toMatch(
      /^there is no run sha256:0+ in .*handoff, nor in .*yard\. Check the digest, and that the stage that made it wrote to the same store$/,
    );
    expect(await refusalOf(shop.package({ ...built, 'training-id': 'latest' }, ''))).toBe(
      'the inputs cannot be used:\n' +
        '  - input training-id is "latest", not a digest: it has the form sha256: and 64 hexadecimal digits\n' +
        '  - input run is required',
    );
  });

  test('files that are missing or carry code, all at once', async () => {
    await shop.repository.edit(
      'trainyard.yml',
      '[model.onnx]',
      '[model.onnx, a.pt, b.bin, c.bin, d.npy, e.txt, f.pkl]',
    );
    const { pack } = await shop.trained({
      outputs: {
        'a.pt': torchFile(PICKLES.tensors),
        'b.bin': PICKLES.binary,
        'c.bin': Buffer.from('\x7fELF', 'latin1'),
        'd.npy': Buffer.from(`\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False}`, 'latin1'),
        'e.txt': '#!/bin/sh\n',
        'f.pkl': PICKLES.text,
      },
    });
    const lines = (await refusalOf(pack())).split('\n');
    expect(lines).toEqual([
      'the model cannot be packaged (a package takes safetensors, GGUF, ONNX with its external data, and JSON, YAML, texts and SentencePiece models; docs/packages.md says more):',
      expect.stringMatching(
        /trainyard\.yml:11:17: model\.onnx is not an output of the run; its outputs are a\.pt, b\.bin, c\.bin/,
      ),
      expect.stringMatching(
        /:11:29: a\.pt is a ZIP archive, as PyTorch, NumPy and Keras write around pickles and code; export safetensors or ONNX, or write allow: \[pickle\] under model/,
      ),
      expect.stringMatching(/:11:35: b\.bin is a pickle, and loading it runs the code in it/),
      expect.stringMatching(/:11:42: c\.bin is a Linux program; the server’s code belongs in server\.source/),
      expect.stringMatching(/d\.npy is a NumPy array, which may be a pickle/),
      expect.stringMatching(/e\.txt is a script/),
      expect.stringMatching(/f\.pkl is a pickle/),
    ]);
  });

  test('a card that holds a secret, or begins with what is no YAML', async () => {
    const { pack } = await shop.trained();
    await shop.repository.commit({ 'MODEL.md': `# Toy\n\nToken: ghp_${'a'.repeat(36)}\n` });
    expect(await refusalOf(pack())).toMatch(
      /^trainyard\.yml:11:36: MODEL\.md holds a GitHub token on line 3; remove it, and replace the secret/,
    );
    await shop.repository.commit({ 'MODEL.md': '---\nlicense: [mit\n---\n# Toy\n' });
    expect(await refusalOf(pack())).toMatch(
      /^MODEL\.md begins with a metadata block that is not YAML with keys: .*Mend what stands between the two lines of ---$/s,
    );
  });

  test('a run without the golden requests, a card that is not in the commit', async () => {
    const { pack } = await shop.trained({ outputs: { 'model.onnx': MODEL } });
    expect(await refusalOf(pack())).toMatch(
      /server\.golden in trainyard\.yml is golden\.jsonl, and the run has no such output; its outputs are model\.onnx\. Let the trainer write it/,
    );
    const whole = await shop.trained();
    await shop.repository.commit({ 'MODEL.md': undefined });
    expect(await refusalOf(whole.pack())).toMatch(
      /^trainyard\.yml:11:36: model\.card is MODEL\.md, and the commit has no MODEL\.md$/,
    );
  });

  test('an output of another size than the run says', async () => {
    const { run, pack } = await shop.trained();
    await replaceOutput(run, Buffer.from('another model'));
    expect(await refusalOf(pack())).toMatch(
      /model\.onnx does not have the 67 bytes that the run says: it was cut off or replaced; train again$/,
    );
  });
});

test('weights that were changed in the hand-off do not become part of a record in the store', async () => {
  const { run, pack } = await shop.trained();
  await replaceOutput(run, Buffer.from(MODEL).fill(1, 50, 60));
  expect(await refusalOf(pack())).toMatch(
    /: the bytes differ from their digest \(expected sha256:\w+, found sha256:\w+\)/,
  );
  for (const kind of ['run-', 'package-', 'training-'])
    expect([...(await shop.store.names(kind)).keys()]).toEqual([]);
  expect(await shop.store.has(digestOf(MODEL))).toBe(false);
});

/** Writes over the first output of a run, as whoever may write to the hand-off could. */
async function replaceOutput(run: Digest, bytes: Buffer): Promise<void> {
  const { manifest } = await getRecord(shop.handoff, runKind, run);
  const file = shop.handoff.pathOf(manifest.layers[0]?.digest ?? run);
  await chmod(file, 0o644);
  await writeFile(file, bytes);
}
