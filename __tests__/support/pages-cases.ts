/** Summaries of all kinds that people look at, of real records; some hold names by somebody who means no good. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failureSummary } from '../../src/github/markdown.ts';
import { momentAt } from '../../src/history/moment.ts';
import { readHistory } from '../../src/history/read.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { deploySummary } from '../../src/summary/deploy.ts';
import { historySummary } from '../../src/summary/history.ts';
import { traceSummary } from '../../src/summary/trace.ts';
import { trainSummary } from '../../src/summary/train.ts';
import { traceRecords } from '../../src/trace/lineage.ts';
import { Series } from '../../src/train/metrics/series.ts';
import { servingMachine } from './machines.ts';
import { putTrainer } from './programs.ts';
import { sumOf } from './releases.ts';
import { putDeployment, putRun } from './runs.ts';
import { openWorkshop } from './workshop.ts';
import { dayText, deployOn, putModel, putReleaseOf, TODAY } from './yard.ts';

/** Would end a cell and a row, run a script, begin code, a link and a drawing's node, and fill a line. */
export const HOSTILE = '</td><img src=x onerror=alert(1)>|`a`|**b** [c](http://evil.example) "]; 🦆 &lt;';
export const LONG = `very-long-${'name-'.repeat(30)}end`;

/** A summary by what it tells. */
export type Cases = Readonly<Record<string, string>>;

/** What deploy writes: live for the first time, then instead of another, refused, rolled back, and without a server that starts. */
export async function deployments(): Promise<Cases> {
  const machine = await servingMachine();
  try {
    const summary = async (choices: Parameters<typeof machine.release>[0]): Promise<string> => {
      const deployed = await machine.deploy(await machine.release(choices));
      const { nodes } = await traceRecords(deployed.site.records, [deployed.deployment.digest]);
      return deploySummary(deployed, nodes, machine.store);
    };
    const hostile = {
      ...sumOf([1, 2], 3),
      response: { status: 200, body: { sum: HOSTILE, [LONG]: HOSTILE } },
    };
    const path = `/sum?q=${HOSTILE.replace(/[^!-~]/g, '')}`;
    return {
      'deploy-first': await summary({ golden: [1, 2, 3].map((n) => sumOf([n], n)) }),
      'deploy-live': await summary({ config: { OFFSET: 0, NAME: HOSTILE }, explainedBy: 'c'.repeat(40) }),
      'deploy-refused': await summary({
        golden: [sumOf([1], 2), hostile, { ...hostile, request: { ...hostile.request, path } }],
      }),
      'deploy-rolled-back': await summary({
        config: { MODE: 'tires' },
        golden: [1, 2, 3].map((n) => sumOf([n], n)),
      }),
      'deploy-dies': await summary({ config: { MODE: 'dies' } }),
    };
  } finally {
    await machine.remove();
  }
}

/** What release-config writes: for an environment where nothing serves, beside what does, and where a gate does not hold. */
export async function releases(): Promise<Cases> {
  const shop = await openWorkshop();
  try {
    const made = await shop.toPackage();
    const release = async (): Promise<{ summary: string; release: string }> => {
      const { outputs, summary = '' } = await shop.release(made.package, { environment: 'production' });
      return { summary, release: String(outputs.release) };
    };
    const first = await release();
    const digest = first.release;
    await putDeployment(shop.store, `sha256:${digest.slice(7)}`);
    await shop.repository.commit({
      'environments/production.yml': `target: {kind: process, port: 8082}
config:
  THRESHOLD: 0.7
  LEVEL: low
  LIMIT: 12
secrets: [API_KEY]
probe: {window: 30s, watch: 10m, rate: 5, p95: 250ms, errors: 0.01}
`,
    });
    return { 'release-first': first.summary, 'release-difference': (await release()).summary };
  } finally {
    await shop.remove();
  }
}

/** What train, trace, history and an action that failed write. */
export async function others(): Promise<Cases> {
  const place = await mkdtemp(join(tmpdir(), 'trainyard-pages-'));
  try {
    const store = new LayoutStore(place);
    const two = await putModel(store, 'two', 20);
    const [old, next] = [
      await putReleaseOf(store, two.package, 'production', { A: 1 }),
      await putReleaseOf(store, two.package, 'production', { A: 2 }),
    ];
    const url = 'https://github.com/acme/digits/actions/runs/1';
    await deployOn(store, 30, old, { cause: { actor: 'alice', event: 'push', url } });
    await deployOn(store, 31, next, {
      before: old,
      cause: { actor: 'bob', event: 'workflow_dispatch', url },
    });
    await deployOn(store, 32, next, {
      outcome: 'refused',
      reason: HOSTILE,
      before: next,
      cause: { actor: HOSTILE, event: 'push' },
    });
    await deployOn(store, 33, old, {
      before: next,
      holds: next,
      reason: null,
      cause: { actor: LONG, event: 'schedule', url },
    });
    const asked = { name: 'toy', environment: 'production', at: dayText(TODAY) };
    const entries = await readHistory(store, asked.name, asked.environment);
    const trainer = await putTrainer(store, { 'train.py': '# trains' });
    const claims = {
      metrics: { accuracy: 0.97, [HOSTILE]: 1, [LONG]: 2 },
      params: { [HOSTILE]: LONG, rate: 0.1 },
    };
    const hostile = await putRun(store, trainer.digest, { claims });
    return {
      history: historySummary(asked, momentAt(entries, Date.parse(asked.at)), entries, store),
      trace: traceSummary(await traceRecords(store, [next]), next),
      'trace-hostile': traceSummary(await traceRecords(store, [hostile.digest]), HOSTILE),
      ...(await trainings(store)),
      failure: failureSummary('deploy', `${HOSTILE}: ${LONG}\n- ${HOSTILE}\n\`\`\`\n- ${LONG}`),
    };
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function trainings(store: LayoutStore): Promise<Cases> {
  const trainer = await putTrainer(store, { 'train.py': '# trains well' });
  const course = (name: string, of: (step: number) => number): [string, Series] => {
    const series = new Series(of(0));
    for (let step = 0; step <= 2000; step += 20) series.add(step, of(step));
    return [name, series];
  };
  const series = new Map([
    course('loss', (step) => 2.3 * Math.exp(-step / 400) + 0.08),
    course('accuracy', (step) => 0.97 - 0.8 * Math.exp(-step / 300)),
    course(HOSTILE, (step) => step * 1e-9),
  ]);
  const at = (minute: number): string => new Date(Date.UTC(2026, 2, 3, 10, minute)).toISOString();
  const segment = { status: 0, signal: null, host: 'gpu-1' };
  const checkpoint = { digest: trainer.digest, name: 'step-1500', step: 1500, madeAt: at(42) };
  const segments = [
    { ...segment, startedAt: at(0), endedAt: at(60), state: 'cancelled' as const, host: HOSTILE },
    {
      ...segment,
      startedAt: at(75),
      endedAt: at(192),
      state: 'succeeded' as const,
      resumedFrom: checkpoint,
      usage: { seconds: 7020, gpus: 1, gpuUse: 0.83, energyJoules: 7.6e6 },
    },
  ];
  const machine = {
    os: 'Linux',
    architecture: 'x64',
    processors: 64,
    memoryBytes: 2 ** 39,
    python: '3.11.2',
    trainyard: '1.0.0',
    gpus: [{ name: 'NVIDIA H100 80GB HBM3' }],
  };
  const summary = async (
    claims: NonNullable<Parameters<typeof putRun>[2]>['claims'],
    lastLines: string[],
  ): Promise<string> =>
    trainSummary(
      {
        trainer,
        run: await putRun(store, trainer.digest, { claims: { segments, machine, ...claims } }),
        series,
        lastLines,
        isReused: false,
        findings: [
          { what: 'GPU memory', asked: '24 GiB', found: '80 GiB', verdict: 'ok' },
          { what: 'clock', found: `${HOSTILE} ${LONG}`, verdict: 'warning', fix: 'set it' },
        ],
      },
      undefined,
    );
  return {
    train: await summary({}, []),
    'train-failed': await summary({ state: 'failed', reason: HOSTILE }, ['Traceback:', HOSTILE, '```', LONG]),
  };
}
