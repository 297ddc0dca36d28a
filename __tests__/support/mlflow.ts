/** A stand-in of an MLflow server's REST API 2.0, as far as a mirror asks it; answers in the words of MLflow 3.17. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';

const pairs = z.array(z.object({ key: z.string(), value: z.string() }));
const points = z.array(
  z.object({ key: z.string(), value: z.number(), step: z.number(), timestamp: z.number() }),
);
const Body = z.object({
  name: z.string().default(''),
  experiment_id: z.string().default(''),
  run_id: z.string().default(''),
  filter: z.string().default(''),
  status: z.string().optional(),
  source: z.string().default(''),
  tags: pairs.default([]),
  params: pairs.max(100).default([]),
  metrics: points.max(1000).default([]),
});
type Run = z.infer<typeof Body> & { id: string };
type Answer = readonly [status: number, body: object];

const missing: Answer = [404, { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'Could not find it' }];
const there: Answer = [400, { error_code: 'RESOURCE_ALREADY_EXISTS', message: 'already exists.' }];

export interface Mlflow {
  readonly url: string;
  /** What it was asked, in order: `POST runs/create`. */
  readonly calls: string[];
  /** With which status the next calls of a name are answered; 0 for the usual answer. */
  readonly failures: Map<string, number[]>;
  /** The header without which nothing is answered. */
  authorization: string | undefined;
  close(): Promise<void>;
}

export async function startMlflow(): Promise<Mlflow> {
  const experiments: string[] = [];
  const runs: Run[] = [];
  const models = new Set<string>();
  const versions: (z.infer<typeof Body> & { version: string })[] = [];
  const runOf = (id: string) => runs.find((run) => run.id === id);

  const answer = (call: string, body: z.infer<typeof Body>, query: URLSearchParams): Answer => {
    const quoted = /'([^']*)'[^']*$/.exec(query.get('filter') ?? body.filter)?.[1];
    const run = runOf(body.run_id || (query.get('run_id') ?? ''));
    switch (call) {
      case 'experiments/get-by-name': {
        const index = experiments.indexOf(query.get('experiment_name') ?? '');
        return index < 0 ? missing : [200, { experiment: { experiment_id: String(index + 1) } }];
      }
      case 'experiments/create':
        return experiments.includes(body.name)
          ? there
          : [200, { experiment_id: String(experiments.push(body.name)) }];
      case 'runs/create': {
        const id = `run${runs.length}`;
        runs.push({ ...body, id, status: 'RUNNING' });
        return [200, { run: { info: { run_id: id, status: 'RUNNING' } } }];
      }
      case 'runs/search': {
        const found = runs.filter(({ tags }) =>
          tags.some(({ value }) => value === quoted || quoted === 'sha256:%'),
        );
        // Without a run the field is absent.
        return [200, found.length === 0 ? {} : { runs: found.map(shown) }];
      }
      case 'runs/log-batch':
        run?.params.push(...body.params);
        for (const point of body.metrics)
          if (!run?.metrics.some((old) => JSON.stringify(old) === JSON.stringify(point)))
            run?.metrics.push(point);
        return run === undefined ? missing : [200, {}];
      case 'runs/update':
        if (run !== undefined) run.status = body.status;
        return run === undefined ? missing : [200, { run_info: {} }];
      case 'metrics/get-history':
        return [200, { metrics: run?.metrics.filter(({ key }) => key === query.get('metric_key')) }];
      case 'registered-models/create':
        if (models.has(body.name)) return there;
        models.add(body.name);
        return [200, { registered_model: {} }];
      case 'model-versions/create': {
        const version = { ...body, version: String(versions.length + 1) };
        versions.push(version);
        return [200, { model_version: version }];
      }
      case 'model-versions/search': {
        const found = versions.filter(({ source }) => source === quoted);
        return [200, found.length === 0 ? {} : { model_versions: found }];
      }
      default:
        return [404, {}];
    }
  };

  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://here');
    const call = pathname.replace(/^.*\/api\/2\.0\/mlflow\//, '');
    const body = Body.parse(request.method === 'POST' ? await json(request) : {});
    mlflow.calls.push(`${request.method} ${call}`);
    const failure = mlflow.failures.get(call)?.shift();
    const [status, content] = isRefused(request, mlflow)
      ? ([401, 'You are not authenticated'] as const)
      : failure === undefined || failure === 0
        ? answer(call, body, searchParams)
        : ([failure, { error_code: 'INTERNAL_ERROR', message: 'planted' }] as const);
    response.writeHead(status).end(JSON.stringify(content));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const mlflow: Mlflow = {
    url: `http://127.0.0.1:${port}`,
    calls: [],
    failures: new Map(),
    authorization: undefined,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return mlflow;
}

function isRefused({ headers }: IncomingMessage, { authorization }: Mlflow): boolean {
  return authorization !== undefined && headers.authorization !== authorization;
}

function shown({ id, status, tags, params, metrics }: Run): object {
  const last = new Map(metrics.map((point) => [point.key, point]));
  return { info: { run_id: id, status }, data: { tags, params, metrics: [...last.values()] } };
}
