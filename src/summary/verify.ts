import { digests, plain, table } from '../github/markdown.ts';
import { hexOf } from '../lib/digest.ts';
import { bytesText } from '../lib/progress.ts';
import type { Verdict, Verified } from '../verify/verify.ts';
import { short } from './figures.ts';

/** Which records are whole, and what is wrong with the others. */
export function verifySummary(verified: Verified): string {
  const { verdicts, blobs, bytes, mended } = verified;
  const broken = verdicts.filter(({ problems }) => problems.length > 0);
  const read = `${counted(blobs, 'blob')}, ${bytesText(bytes)} read`;
  const all = counted(verdicts.length, 'record');
  const verdict =
    broken.length === 0
      ? `✅ ${all}, all whole`
      : `❌ ${broken.length} of ${all} ${are(broken.length)} broken`;
  const links = broken.flatMap((one) =>
    one.problems.map((problem) => `- ${what(one)} ${short(one.digest)}: ${plain(problem)}`),
  );
  return [
    `### ${verdict} · ${read}`,
    links.join('\n'),
    mended.length === 0 ? '' : `**Mended**\n\n${mended.map((line) => `- ${plain(line)}`).join('\n')}`,
    `<details><summary>${all}</summary>\n\n${tableOf(verdicts)}\n</details>`,
    digests(verdicts.map((one) => [what(one), one.digest])),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function tableOf(verdicts: readonly Verdict[]): string {
  return table(
    ['record', 'digest', '>blobs', '>bytes', 'verdict'],
    verdicts.map((one) => [
      what(one),
      short(one.digest),
      String(one.blobs),
      one.bytes.toLocaleString('en'),
      one.problems.length === 0 ? '✅' : '❌',
    ]),
  );
}

/** The same table as lines for a log. */
export function verifyText({ verdicts }: Verified): string {
  return verdicts
    .map((one) => {
      const row = [
        what(one).padEnd(10),
        hexOf(one.digest, 12),
        counted(one.blobs, 'blob').padStart(9),
        one.bytes.toLocaleString('en').padStart(16),
      ];
      return `${row.join('  ')}  ${one.problems.length === 0 ? 'whole' : one.problems.join('; ')}`;
    })
    .join('\n');
}

/** Why the step fails: the first broken link, and how many more there are; undefined when all is whole. */
export function brokenLink({ verdicts }: Verified): string | undefined {
  const [first, ...more] = verdicts.flatMap((one) =>
    one.problems.map((problem) => `${what(one)} ${one.digest}: ${problem}`),
  );
  return first && `${first}${more.length === 0 ? '' : ` (and ${counted(more.length, 'broken link')} more)`}`;
}

function what({ kind, role }: Verdict): string {
  return role ?? kind ?? '?';
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function are(count: number): string {
  return count === 1 ? 'is' : 'are';
}
