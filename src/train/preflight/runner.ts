import { readFile, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../../lib/environment.ts';
import { tryJson } from '../../lib/json.ts';
import { statOf } from '../../lib/process-stat.ts';
import type { Finding } from './finding.ts';

/** The first that knows `uses: $/…`, which the reusable workflows need. */
const NEEDED = [2, 336, 0] as const;
/** A step is a grandchild of the runner's worker, or a little further down. */
const MOST_PARENTS = 8;

const settings = z.object({ ephemeral: z.boolean().optional(), Ephemeral: z.boolean().optional() });
const dependencies = z.object({ libraries: z.record(z.string(), z.unknown()) });

/** What is known of the runner whose job this is. */
export interface Runner {
  readonly version: string | undefined;
  /** Whether it takes one job and is gone; undefined where nobody says. */
  readonly isSingleUse: boolean | undefined;
}

/**
 * Looks at the runner of this job: its version, and whether it is for a single job.
 * @param env the machine's variables
 * @param mustBeSingle refuses one that takes several jobs, and one that does not say
 * @param find tells of the runner; tests pass their own
 */
export async function lookAtRunner(
  env: Environment,
  mustBeSingle: boolean,
  find: () => Promise<Runner> = findRunner,
): Promise<Finding[]> {
  if (env.GITHUB_ACTIONS !== 'true') return [];
  if (env.RUNNER_ENVIRONMENT === 'github-hosted')
    return [{ what: 'runner', found: 'hosted by GitHub, for a single job', verdict: 'ok' }];
  const { version, isSingleUse } = await find();
  const single = isSingleUse === true || env.ACTIONS_RUNNER_POD_NAME !== undefined;
  const words = single
    ? 'for a single job'
    : `for job after job${isSingleUse === undefined ? ', as far as can be seen' : ''}`;
  return [
    {
      what: 'runner',
      found: words,
      ...(mustBeSingle && { asked: 'one for a single job (single-use)' }),
      verdict: single ? 'ok' : mustBeSingle ? 'refused' : 'warning',
      ...(!single && {
        fix: 'what one job leaves on it the next one meets; register it with --ephemeral (see docs/runners.md)',
      }),
    },
    {
      what: 'runner version',
      found: version ?? 'unknown',
      verdict: version !== undefined && isOlder(version) ? 'warning' : 'ok',
      ...(version !== undefined &&
        isOlder(version) && { fix: `update it to ${NEEDED.join('.')} or later, which the workflows need` }),
    },
  ];
}

function isOlder(version: string): boolean {
  const parts = version.split('.').map(Number);
  const at = NEEDED.findIndex((needed, i) => parts[i] !== needed);
  return at >= 0 && (parts[at] ?? 0) < (NEEDED[at] ?? 0);
}

/** The worker is above this process; its settings lie in the runner's folder. */
async function findRunner(): Promise<Runner> {
  for (let pid = process.pid, left = MOST_PARENTS; pid > 1 && left > 0; left--) {
    const program = await readlink(`/proc/${pid}/exe`).catch(() => '');
    if (/\/Runner\.Worker$/.test(program)) return describe(dirname(program));
    pid = Number(statOf(pid)[1] ?? 0);
  }
  return { version: undefined, isSingleUse: undefined };
}

async function describe(bin: string): Promise<Runner> {
  const read = async (file: string): Promise<unknown> =>
    tryJson((await readFile(file, 'utf8').catch(() => '')).replace(/^\uFEFF/, ''));
  const own = settings.safeParse(await read(join(bin, '..', '.runner'))).data;
  const known = dependencies.safeParse(await read(join(bin, 'Runner.Worker.deps.json'))).data;
  const name = Object.keys(known?.libraries ?? {}).find((library) => library.startsWith('Runner.Worker/'));
  return {
    // An update of the runner by itself leaves its programs in `bin.2.336.0`.
    version: /\/bin\.(\d+\.\d+\.\d+)$/.exec(bin)?.[1] ?? name?.split('/')[1],
    isSingleUse: own === undefined ? undefined : (own.ephemeral ?? own.Ephemeral ?? false),
  };
}
