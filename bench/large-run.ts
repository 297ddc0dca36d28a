import { open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { putRun } from '../__tests__/support/runs.ts';
import { digestIn, openWorkshop, type Workshop } from '../__tests__/support/workshop.ts';
import type { Digest } from '../src/lib/digest.ts';
import { OUTPUT_LAYER, run } from '../src/records/run.ts';
import { getTrainer } from '../src/store/programs.ts';
import { layer, putRecord } from '../src/store/records.ts';
import { fillRandom } from './random.ts';

/** A project with one trained Run of large files in its hand-off. */
export interface LargeRun {
  readonly shop: Workshop;
  readonly run: Digest;
  /** What build gave, for package-model. */
  readonly built: Readonly<Record<string, string>>;
  /** The model's files as they lie in the hand-off. */
  readonly files: readonly string[];
  readonly remove: () => Promise<void>;
}

/**
 * Makes a Run of safetensors files.
 * @param sizes of each file, in bytes
 * @param isSparse whether zeros will do, which take no room on the disk
 */
export async function makeLargeRun(sizes: readonly number[], isSparse = false): Promise<LargeRun> {
  const names = sizes.map((_, i) => `model-${i + 1}.safetensors`);
  const shop = await openWorkshop({ files: projectOf(names) });
  try {
    const built = await shop.build();
    const { handoff } = shop;
    const subject = await getTrainer(handoff, digestIn(built, 'trainer'), 'trainer');
    const { config } = await putRun(handoff, subject.digest);
    const scratch = await handoff.scratch();
    const layers = [];
    for (const [i, name] of names.entries()) {
      const file = join(scratch, name);
      await writeModel(file, sizes[i] ?? 0, isSparse, i);
      layers.push(layer(OUTPUT_LAYER, await handoff.write({ file, how: 'move' }), name));
    }
    const { digest } = await putRecord(handoff, run, { config, layers, subject });
    return {
      shop,
      run: digest,
      built,
      files: layers.map((made) => handoff.pathOf(made.digest)),
      remove: () => shop.remove(),
    };
  } catch (error) {
    await shop.remove();
    throw error;
  }
}

function projectOf(files: readonly string[]): Record<string, string> {
  return {
    'trainyard.yml': `name: large
trainer: {source: [train.py], python: {requirements: requirements.txt}, command: python train.py}
model: {files: [${files.join(', ')}]}
server: {source: [serve.py], python: {requirements: requirements.txt}, command: "python serve.py \${port}", ready: /}
`,
    'requirements.txt': '# nothing is needed\n',
    'train.py': '',
    'serve.py': '',
  };
}

/** One tensor of bytes. The number makes files of zeros different. */
async function writeModel(path: string, size: number, isSparse: boolean, number: number): Promise<void> {
  if (!isSparse) await fillRandom(path, size);
  const file = await open(path, isSparse ? 'w' : 'r+');
  await truncate(path, size);
  const length = 256;
  const count = size - 8 - length;
  const tensor = { dtype: 'U8', shape: [count], data_offsets: [0, count] };
  const header = Buffer.alloc(8 + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  header.write(JSON.stringify({ __metadata__: { number: String(number) }, weight: tensor }), 8);
  await file.write(header, 0, header.length, 0);
  await file.close();
}
