import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { action } from '../../src/actions/trace.ts';
import type { Digest } from '../../src/lib/digest.ts';
import type { Lineage } from '../../src/trace/lineage.ts';
import { putDeployment } from '../support/runs.ts';
import { digestIn, openWorkshop, type Workshop } from '../support/workshop.ts';

const TIMES = ['2026-02-01T00:00:00Z', '2026-02-02T00:00:00Z', '2026-02-03T00:00:00Z'];

let shop: Workshop;
/** Two commits, of which the second changes only the server: one Run, two Packages, three Releases. */
const line = { run: '', first: '', second: '', packages: ['', ''], staging: '', production: '', next: '' };
let built: Readonly<Record<string, string>>;
beforeAll(async () => {
  shop = await openWorkshop();
  line.first = (await shop.repository.git('rev-parse', 'HEAD')).trim();
  const made = await shop.toPackage();
  ({ built, run: line.run } = made);
  const release = async (of: string, environment: string): Promise<Digest> =>
    digestIn((await shop.release(of, { environment })).outputs, 'release');
  line.staging = await release(made.package, 'staging');
  line.production = await release(made.package, 'production');
  line.second = await shop.repository.edit('serve.py', 'serving', 'up');
  const packaged = digestIn((await shop.package(await shop.build(), line.run)).outputs, 'package');
  line.packages = [made.package, packaged];
  line.next = await release(packaged, 'staging');
}, 60_000);
afterAll(() => shop.remove());

async function trace(of: string) {
  const { outputs, summary } = await shop.run(action, { of });
  const lineage: Lineage = JSON.parse(String(outputs.lineage));
  const kinds = new Map<string, string[]>();
  for (const { kind, digest } of lineage.nodes) kinds.set(kind, [...(kinds.get(kind) ?? []), digest]);
  return { lineage, summary, of: (kind: string): string[] => kinds.get(kind) ?? [] };
}

const commitsIn = ({ nodes }: Lineage): unknown[] =>
  nodes.filter(({ kind }) => kind === 'source').map(({ facts }) => facts.commit);

describe('before anything is deployed', () => {
  test('a release leads up to its commits, data and parameters, and nowhere down', async () => {
    const { lineage, of, summary } = await trace(line.production);
    expect(of('release')).toEqual([line.production]);
    expect(of('package')).toEqual([line.packages[0]]);
    expect(of('run')).toEqual([line.run]);
    expect(new Set(of('program'))).toEqual(new Set([built.trainer, built.server]));
    expect(new Set(commitsIn(lineage))).toEqual(new Set([line.first, line.second]));
    expect(lineage.live).toEqual([]);
    expect(lineage.nodes.find(({ kind }) => kind === 'run')?.facts).toMatchObject({
      state: 'succeeded',
      params: { epochs: 3, rate: 0.1 },
      metrics: { accuracy: 0.97 },
      data: { numbers: `sha256:${'d'.repeat(64)}` },
    });
    const commit = `<code>${line.first.slice(0, 12)}</code>`;
    expect(summary.split('\n')[0]).toMatch(
      new RegExp(`^### 🔎 <code>\\w{12}</code> · serves nowhere now · from commit ${commit}$`),
    );
  });

  test('a Run leads down to everything that was made of it', async () => {
    const { of } = await trace(line.run);
    expect(new Set(of('package'))).toEqual(new Set(line.packages));
    expect(new Set(of('release'))).toEqual(new Set([line.staging, line.production, line.next]));
    expect(of('program')).toHaveLength(3);
  });

  test('a server leads down to the Packages that carry it, and a commit to what it explains', async () => {
    expect((await trace(built.server ?? '')).of('package')).toEqual([line.packages[0]]);
    const { of, lineage } = await trace(line.second.slice(0, 7));
    expect(of('release')).toContain(line.next);
    expect(commitsIn(lineage)).toContain(line.second);
    expect((await trace(line.second)).lineage.nodes).toEqual(lineage.nodes);
  });
});

describe('what is live', () => {
  test('is what the newest finished Deployment of an environment left serving', async () => {
    const deploy = (of: string, at: number, changes = {}) =>
      putDeployment(shop.store, digestIn({ of }, 'of'), { endedAt: TIMES[at] ?? '', ...changes });
    await deploy(line.staging, 0);
    await deploy(line.production, 0);
    await deploy(line.next, 1);
    const live = async (): Promise<unknown[]> =>
      (await trace(line.run)).lineage.live.map(({ environment, release }) => [environment, release]).sort();
    expect(await live()).toEqual([
      ['production', line.production],
      ['staging', line.next],
    ]);
    const before = line.next;
    await deploy(line.staging, 2, { outcome: 'rolled-back', before, reason: 'a wrong answer' });
    expect(await live()).toContainEqual(['staging', line.next]);
    await deploy(line.production, 2, {
      outcome: 'restore-failed',
      before: line.production,
      reason: 'it died',
    });
    expect(await live()).toEqual([['staging', line.next]]);
    const { lineage, summary } = await trace(line.next);
    expect(lineage.nodes.find(({ digest }) => digest === line.next)?.serves).toBe('http://127.0.0.1:8081');
    expect(summary).toMatch(/serves as toy in staging at <http:\/\/127\.0\.0\.1:8081>/);
    expect(summary).toMatch(/```mermaid\ngraph LR\n/);
    expect(summary).toMatch(new RegExp(`style n${line.next.slice(7, 19)} stroke`));
    expect(shop.log.lines.at(-1)).toMatch(/^release {4}\w{12} {2}toy for staging, live at/m);
  });

  test('Deployments stand in the order of their times', async () => {
    const { lineage } = await trace(line.staging);
    const times = lineage.nodes
      .filter(({ kind }) => kind === 'deployment')
      .map(({ facts }) => String(facts.endedAt));
    expect(times).toEqual([TIMES[0], TIMES[2]]);
  });
});

describe('an endpoint', () => {
  test('tells its release, which is traced', async () => {
    const answers: (readonly [number, string])[] = [[200, JSON.stringify({ release: line.next })]];
    const server = createServer((request, response) => {
      const [status, body] = answers[0] ?? [500, ''];
      response.writeHead(request.url === '/.trainyard/release' ? status : 404).end(body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const endpoint = `http://127.0.0.1:${port}/some/path`;
    try {
      expect((await trace(endpoint)).of('release')).toEqual([line.next]);
      for (const answer of [
        [404, ''],
        [200, 'hello'],
        [200, '{"release": "latest"}'],
      ] as const) {
        answers[0] = answer;
        await expect(trace(endpoint)).rejects.toThrow(
          /^http:.* does not tell its release; is it an endpoint that deploy reported/,
        );
      }
      answers[0] = [200, JSON.stringify({ release: `sha256:${'0'.repeat(64)}` })];
      await expect(trace(endpoint)).rejects.toThrow(/^there is no record sha256:0+ in .*yard/);
    } finally {
      server.close();
      server.closeAllConnections();
    }
    await expect(trace(endpoint)).rejects.toThrow(/does not tell its release/);
    await expect(trace('http://')).rejects.toThrow(/does not tell its release/);
  });
});

test.each([
  ['main', /^input of is "main"; it may be a digest \(sha256:…\), the URL of an endpoint, or a commit/],
  ['"; touch PWN #\nEOF', /^input of is "\\"; touch PWN #\\nEOF"; it may be/],
  ['abcdef0', /knows nothing of commit abcdef0; was it built, and into this store\?/],
  [`sha256:${'0'.repeat(64)}`, /^there is no record sha256:0+ in .*yard/],
])('%j is refused', async (of, said) => {
  await expect(trace(of)).rejects.toThrow(said);
});

test('a trainer that stays the same through many commits is one line, however many they are', async () => {
  for (const text of ['1', '2', '3']) {
    await shop.repository.commit({ 'notes.txt': text });
    await shop.package(await shop.build(), line.run);
  }
  const { summary } = await trace(built.trainer ?? '');
  expect(
    shop.log.lines.at(-1)?.match(/^source .* trainer: commit \w{12}, \w{12}, \w{12} and 2 more$/gm),
  ).toHaveLength(1);
  expect(summary).toMatch(/📄 source \w{7}<br\/>trainer: commit \w{12}, \w{12}, \w{12} and 2 more"/);
});

test('what a Run tells can neither command the runner nor leave its line in the graph', async () => {
  const hostile = { '\n::add-path::/evil': 1, '"]\n```\n<img src=x>': 2 };
  const run = await shop.train(built, { claims: { metrics: hostile } });
  const { outputs, summary } = await shop.run(action, { of: run.digest, store: shop.handoff.location });
  expect(outputs.lineage).toContain('add-path');
  expect(shop.log.lines.at(-1)).not.toMatch(/^\s*::/m);
  expect(summary.match(/^```/gm)).toHaveLength(4);
  expect(summary).not.toContain('<img');
  const graph = /```mermaid\n([\s\S]*?)\n```/.exec(summary)?.[1] ?? '';
  for (const row of graph.split('\n')) expect(row).toMatch(/^(graph LR| {2}(n\w{12}|style ))/);
});
