/** What holds of a mirror, whichever server it is that is told. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { z } from 'zod';
import { digestIn, openWorkshop, type Workshop } from './workshop.ts';

const pairs = z.array(z.object({ key: z.string(), value: z.string() })).default([]);
const Runs = z.object({
  runs: z
    .array(
      z.object({
        info: z.object({ run_id: z.string(), status: z.string() }),
        data: z.object({ tags: pairs, params: pairs }),
      }),
    )
    .default([]),
});
const History = z.object({ metrics: z.array(z.object({ value: z.number(), step: z.number() })) });
const Versions = z.object({
  model_versions: z
    .array(z.object({ version: z.string(), source: z.string(), run_id: z.string() }))
    .default([]),
});

/** 1,500 values of loss: more than one request may hold. What is no finite number is left out. */
export const COURSE = [
  ...Array.from({ length: 1500 }, (_, step) => JSON.stringify({ step, loss: 1500 - step })),
  '{"step": 1500, "loss": NaN, "accuracy": 0.97}',
  'oops',
].join('\n');

export interface MirrorPlace {
  /** Of the server. */
  url(): string;
  /** What the server wants to see, by the names that MLflow's client knows. */
  credentials?(): Readonly<Record<string, string>>;
  /** Where the package goes; a folder unless given. */
  store?(): string;
}

/** Asks a server as its own client would. */
async function askMlflow<T>(
  { url, credentials }: Pick<MirrorPlace, 'url' | 'credentials'>,
  call: string,
  schema: z.ZodType<T>,
  body?: object,
): Promise<T> {
  const { MLFLOW_TRACKING_USERNAME: name, MLFLOW_TRACKING_PASSWORD: password } = credentials?.() ?? {};
  const login = Buffer.from(`${name}:${password}`).toString('base64');
  const headers = { 'content-type': 'application/json', authorization: `Basic ${login}` };
  const post = body && { method: 'POST', body: JSON.stringify(body) };
  const answer = await fetch(`${url()}/api/2.0/mlflow/${call}`, { headers, ...post });
  return schema.parse(await answer.json());
}

export const runsIn = (place: MirrorPlace, experiment = '1'): Promise<z.infer<typeof Runs>['runs']> =>
  askMlflow(place, 'runs/search', Runs, {
    experiment_ids: [experiment],
    filter: "tags.`trainyard.run` LIKE 'sha256:%'",
  }).then(({ runs }) => runs);
export const versionsIn = (
  place: MirrorPlace,
  source: string,
): Promise<z.infer<typeof Versions>['model_versions']> =>
  askMlflow(
    place,
    `model-versions/search?${new URLSearchParams({ filter: `source_path = '${source}'` })}`,
    Versions,
  ).then(({ model_versions }) => model_versions);

export function describeMirror(place: MirrorPlace): void {
  let shop: Workshop;
  beforeEach(async () => {
    shop = await openWorkshop();
    Object.assign(shop.env, place.credentials?.());
  });
  afterEach(() => shop.remove());

  test('has the parameters, every point, and a version that points to the package; once, however often it is told', async () => {
    const store = place.store?.() ?? shop.store.location;
    const built = await shop.build({ store });
    const { digest } = await shop.train(built, { course: COURSE });
    const pack = () => shop.package(built, digest, { store, mirror: place.url() });
    const first = await pack();
    const packaged = digestIn(first.outputs, 'package');
    expect(first.failure).toBeUndefined();
    expect(shop.log.warnings).toEqual([]);

    const run = (await runsIn(place)).at(0);
    const id = run?.info.run_id ?? '';
    expect(run?.info.status).toBe('FINISHED');
    expect(run?.data.params).toEqual([
      { key: 'epochs', value: '3' },
      { key: 'rate', value: '0.1' },
    ]);
    expect(run?.data.tags).toEqual(
      expect.arrayContaining([
        { key: 'trainyard.run', value: digest },
        { key: 'trainyard.package', value: packaged },
        { key: 'trainyard.training-id', value: built['training-id'] },
      ]),
    );
    const history = await askMlflow(
      place,
      `metrics/get-history?${new URLSearchParams({ run_id: id, metric_key: 'loss', max_results: '5000' })}`,
      History,
    );
    const points = history.metrics.map(({ step, value }) => [step, value]).sort(([a = 0], [b = 0]) => a - b);
    expect(points).toEqual(Array.from({ length: 1500 }, (_, step) => [step, 1500 - step]));

    const source = `${store.startsWith('oci://') ? store : `oci:${store}`}@${packaged}`;
    const versions = await versionsIn(place, source);
    expect(versions).toEqual([{ version: expect.any(String), source, run_id: id }]);
    expect(first.summary).toContain(`version ${versions[0]?.version} of toy`);

    const again = await pack();
    expect(again.summary).toBe(first.summary);
    expect(await runsIn(place)).toHaveLength(1);
    expect(await versionsIn(place, source)).toEqual(versions);
  });
}
