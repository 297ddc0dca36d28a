/** GitHub's REST API over plain HTTP on 127.0.0.1: the part that Trainyard asks, with tokens that may do only so much. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { z } from 'zod';

type Scope = 'contents: read' | 'deployments: write' | 'actions: read' | 'members: read';

const NewDeployment = z.strictObject({
  ref: z.string(),
  environment: z.string(),
  payload: z.record(z.string(), z.unknown()),
  description: z.string().max(140),
  auto_merge: z.boolean(),
  required_contexts: z.array(z.string()),
});
const NewStatus = z.strictObject({
  state: z.enum(['error', 'failure', 'inactive', 'in_progress', 'queued', 'pending', 'success']),
  log_url: z.url().optional(),
  environment_url: z.url().optional(),
  description: z.string().max(140).optional(),
});
export type Status = z.infer<typeof NewStatus>;

export interface Deployment {
  readonly id: number;
  readonly sha: string;
  readonly environment: string;
  readonly payload: object;
  /** The oldest first. */
  readonly statuses: Status[];
}

export interface Review {
  readonly state: 'approved' | 'rejected';
  readonly user: { readonly login: string };
  readonly environments: readonly { readonly name: string }[];
}

export interface GitHubApi {
  /** GITHUB_API_URL: a server's, with a path before all else. */
  readonly url: string;
  /** The environment of a job in `acme/models`, run 7, of commit `c…c`. */
  readonly env: Readonly<Record<string, string>>;
  /** What each token may do. */
  readonly tokens: Map<string, readonly Scope[]>;
  readonly deployments: Deployment[];
  /** Makes the Deployment that GitHub makes for a job with an environment; the newest comes last. */
  deploys(environment: string, run: number, state?: Status['state']): Deployment;
  /** What started run 7. */
  readonly run: { event: string };
  /** Who started each attempt of it. */
  readonly starters: string[];
  readonly reviews: Review[];
  /** Members of teams by ORGANISATION/TEAM; whose membership is not yet accepted has a `?` behind the name. */
  readonly teams: Map<string, readonly string[]>;
  /** Parents of commits. */
  readonly parents: Map<string, readonly string[]>;
  /** Statuses that are answered before anything else; 0 for no answer ever, undefined for the usual one. */
  readonly first: (number | undefined)[];
  /** Each request: method and path. */
  readonly asked: string[];
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}
const ok = (body: unknown, status = 200): Answer => ({ status, body });
const missing: Answer = { status: 404, body: { message: 'Not Found' } };

/** Starts it; the promise resolves once it listens. The token `all` may do everything that a job's own may. */
export async function startGitHubApi(): Promise<GitHubApi> {
  const state = {
    tokens: new Map<string, readonly Scope[]>([
      ['all', ['contents: read', 'deployments: write', 'actions: read']],
    ]),
    deployments: [] as Deployment[],
    run: { event: 'push' },
    starters: ['ada'],
    reviews: [] as Review[],
    teams: new Map<string, readonly string[]>(),
    parents: new Map<string, readonly string[]>(),
    first: [] as number[],
    asked: [] as string[],
  };
  const server = createServer(async (message, response) => {
    const path = (message.url ?? '').replace(/^\/api\/v3/, '');
    state.asked.push(`${message.method} ${path}`);
    const early = state.first.shift();
    if (early === 0) return;
    const { status, body } =
      early === undefined
        ? await answer(message, path, state)
        : { status: early, body: { message: 'Early' } };
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
    response.end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/api/v3`;
  return {
    ...state,
    url,
    env: {
      GITHUB_API_URL: url,
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_REPOSITORY: 'acme/models',
      GITHUB_RUN_ID: '7',
      GITHUB_RUN_ATTEMPT: '1',
      GITHUB_SHA: 'c'.repeat(40),
    },
    deploys: (environment, run, now = 'in_progress') => {
      const log_url = `https://github.example/acme/models/actions/runs/${run}/job/${run}1`;
      const statuses: Status[] = [{ state: 'queued', log_url }];
      if (now !== 'queued') statuses.push({ state: now, log_url });
      return add(state, { sha: 'c'.repeat(40), environment, payload: {}, statuses });
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type State = Pick<GitHubApi, 'tokens' | 'deployments' | 'run' | 'starters' | 'reviews' | 'teams' | 'parents'>;

function add({ deployments }: State, made: Omit<Deployment, 'id'>): Deployment {
  const deployment = { id: deployments.length + 41, ...made };
  deployments.push(deployment);
  return deployment;
}

async function answer(message: IncomingMessage, path: string, state: State): Promise<Answer> {
  const may = state.tokens.get(/^token (.+)$/.exec(message.headers.authorization ?? '')?.[1] ?? '');
  if (may === undefined) return { status: 401, body: { message: 'Bad credentials' } };
  const url = new URL(path, 'http://github');
  const parts = url.pathname.split('/').slice(1).map(decodeURIComponent);
  const method = message.method ?? '';
  if (parts[0] === 'orgs') return may.includes('members: read') ? teamAnswer(parts, state) : missing;
  if (parts.slice(0, 3).join('/') !== 'repos/acme/models') return missing;
  const [kind = '', ...rest] = parts.slice(3);
  if (kind === 'compare')
    return may.includes('contents: read') ? compareAnswer(rest[0] ?? '', state) : missing;
  const needed = kind === 'deployments' ? 'deployments: write' : 'actions: read';
  if (!may.includes(needed))
    return { status: 403, body: { message: 'Resource not accessible by integration' } };
  if (kind === 'actions') return runAnswer(rest.join('/'), state);
  let text = '';
  for await (const chunk of message.setEncoding('utf8')) text += chunk;
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  return deploymentsAnswer(method, rest, url.searchParams, body, state);
}

function deploymentsAnswer(
  method: string,
  [id, what]: string[],
  query: URLSearchParams,
  body: unknown,
  state: State,
): Answer {
  const shown = ({ statuses: _, ...deployment }: Deployment): object => deployment;
  if (id === undefined && method === 'GET') {
    const sha = query.get('sha');
    const found = state.deployments.filter((one) => sha === null || one.sha === sha);
    return ok(found.reverse().map(shown));
  }
  if (id === undefined) {
    const parsed = NewDeployment.safeParse(body);
    if (!parsed.success) return { status: 422, body: { message: parsed.error.message } };
    const { ref: sha, environment, payload } = parsed.data;
    return ok(shown(add(state, { sha, environment, payload, statuses: [] })), 201);
  }
  const found = state.deployments.find((one) => String(one.id) === id);
  if (found === undefined || what !== 'statuses') return missing;
  const numbered = (): object[] => found.statuses.map((one, index) => ({ id: index + 1, ...one })).reverse();
  if (method === 'GET') return ok(numbered());
  const parsed = NewStatus.safeParse(body);
  if (!parsed.success) return { status: 422, body: { message: parsed.error.message } };
  found.statuses.push(parsed.data);
  return ok(numbered()[0], 201);
}

function runAnswer(path: string, { run, starters, reviews }: State): Answer {
  if (path === 'runs/7/approvals') return ok(reviews);
  const attempt = Number(/^runs\/7\/attempts\/(\d+)$/.exec(path)?.[1]);
  const login = starters[attempt - 1];
  return login === undefined
    ? missing
    : ok({ id: 7, ...run, run_attempt: attempt, actor: { login: 'ada' }, triggering_actor: { login } });
}

function teamAnswer([, org, , team, , login]: string[], { teams }: State): Answer {
  const members = teams.get(`${org}/${team}`);
  if (members === undefined) return missing;
  if (login === undefined) return ok({ slug: team });
  if (members.includes(login)) return ok({ state: 'active', role: 'member' });
  return members.includes(`${login}?`) ? ok({ state: 'pending', role: 'member' }) : missing;
}

function compareAnswer(basehead: string, { parents }: State): Answer {
  const [base = '', head = ''] = basehead.split('...');
  if (!parents.has(base) || !parents.has(head)) return missing;
  const above = (commit: string): string[] =>
    (parents.get(commit) ?? []).flatMap((parent) => [parent, ...above(parent)]);
  const status =
    base === head
      ? 'identical'
      : above(head).includes(base)
        ? 'ahead'
        : above(base).includes(head)
          ? 'behind'
          : 'diverged';
  return ok({ status, commits: [], files: [] });
}
