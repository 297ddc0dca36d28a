import type { Pushed } from '../data/push.ts';
import { block, digests, plain } from '../github/markdown.ts';
import { bytesText } from '../lib/progress.ts';
import { short } from './figures.ts';

/** What was pushed, and the line for `trainyard.yml`. */
export function dataSummary(pushed: Pushed, reference: string): string {
  const { config, digest } = pushed.record;
  const { name, files, bytes } = config;
  const moved =
    pushed.written === 0
      ? 'the store had all of it'
      : `${pushed.written} of ${pushed.layers} parts were new, ${bytesText(pushed.writtenBytes)}`;
  return [
    `### 🗃 ${plain(name)} · data set ${short(digest)} · ${files.toLocaleString('en')} ${files === 1 ? 'file' : 'files'}, ${bytesText(bytes)} · ${moved}`,
    `In \`trainyard.yml\`, under \`trainer.data\`:\n\n${block(`${name}: {oci: "${reference}"}`)}`,
    digests([['data set', digest]]),
  ].join('\n\n');
}
