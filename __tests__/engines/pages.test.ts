/** Summaries as rendered pages in a real browser. Screenshots lie in the folder PAGES, else in a temporary one. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Pages } from '../support/pages.ts';
import { type Cases, deployments, HOSTILE, others, releases } from '../support/pages-cases.ts';

let pages: Pages;
let cases: Cases;
beforeAll(async () => {
  pages = await Pages.open(process.env.PAGES ?? join(tmpdir(), 'trainyard-pages'));
  cases = { ...(await deployments()), ...(await releases()), ...(await others()) };
}, 300_000);
afterAll(() => pages.close());

/** What GitHub lets through, and our summaries need. */
const TAGS = 'a br code details em h3 li ol p pre strong summary table tbody td th thead tr ul'.split(' ');

/** The words that have to be seen, and how many drawings. */
const SEEN: Readonly<Record<string, { drawings: number; words: readonly (string | RegExp)[] }>> = {
  'deploy-first': { drawings: 1, words: [/🟢 test · toy \w{12} live since .* 3 of 3 golden requests/] },
  'deploy-live': { drawings: 1, words: [/Before: \w{12}\. To roll back:/, 'Where it came from:'] },
  'deploy-refused': {
    drawings: 1,
    words: [/🟠 test · toy \w{12} refused before the switch: 3 of 3 golden requests differ/, 'line 3'],
  },
  'deploy-rolled-back': { drawings: 1, words: [/rolled back after the switch/] },
  'deploy-dies': { drawings: 1, words: ['Traceback: no such layer', 'status 7'] },
  'release-first': { drawings: 0, words: [/🟢 production · toy release \w{12}/] },
  'release-difference': { drawings: 0, words: ['0.62', '0.7', 'differs from what is live'] },
  history: { drawings: 0, words: [HOSTILE, 'workflow_dispatch'] },
  trace: { drawings: 1, words: ['production'] },
  'trace-hostile': { drawings: 1, words: [HOSTILE] },
  train: { drawings: 2, words: [HOSTILE, '0.969', 'step-1500'] },
  'train-failed': { drawings: 2, words: [HOSTILE, 'Traceback:'] },
  failure: { drawings: 0, words: [HOSTILE] },
};

describe.each(['light', 'dark'] as const)('in the %s scheme', (scheme) => {
  test.each(Object.entries(SEEN))(
    '%s reads well',
    async (name, { drawings, words }) => {
      const seen = await pages.look(name, cases[name] ?? '', scheme, [HOSTILE]);
      expect(seen.faults).toEqual([]);
      expect(seen.drawings).toHaveLength(drawings);
      expect(seen.tags.filter((tag) => !TAGS.includes(tag))).toEqual([]);
      for (const word of words) expect(seen.text.replace(/\s+/g, ' ')).toMatch(word);
      for (const link of seen.links) expect(link).toMatch(/^https:\/\/github\.com\/|^http:\/\/127\.0\.0\.1:/);
    },
    60_000,
  );
});

test('all that is wrong with a page is seen', async () => {
  const page = [
    '### **bold** &amp;lt;b&amp;gt; | --- |',
    '<img src="http://127.0.0.1:9/x.png">',
    `| a |\n|---|\n| <code>${'x'.repeat(400)}</code> |`,
    '```mermaid\ngraph LR\n  a["open\n```',
  ].join('\n\n');
  const { faults, tags } = await pages.look('wrong', page, 'light');
  expect(tags).toContain('img');
  for (const fault of [/markup is left/, /is fetched/, /a table of \d+ pixels/, /a drawing is broken/])
    expect(faults).toContainEqual(expect.stringMatching(fault));
}, 60_000);
