import { readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { IsAncestor } from '../deploy/decide.ts';
import { deploy } from '../deploy/deploy.ts';
import { locate } from '../deploy/locate.ts';
import { exitStatusOf, isLive } from '../deploy/plan.ts';
import type { FrontCode } from '../deploy/process/runtime.ts';
import type { Deployed } from '../deploy/request.ts';
import { defineAction, type Job } from '../github/action.ts';
import { ancestry } from '../github/ancestry.ts';
import type { GitHubPlace } from '../github/api.ts';
import { findApproval } from '../github/approvals.ts';
import { causeOf } from '../github/cause.ts';
import { tellDeployment } from '../github/deployments.ts';
import { flag } from '../github/flag.ts';
import {
  optional,
  optionalText,
  type Reader,
  registryInputs,
  requiredDigest,
  requiredText,
} from '../github/inputs.ts';
import { withKubeconfig } from '../github/kubeconfig.ts';
import { cacheFolder, stateFolder } from '../github/place.ts';
import { findUv } from '../github/uv.ts';
import type { Digest } from '../lib/digest.ts';
import { messageOf } from '../lib/errors.ts';
import type { Store } from '../store/store.ts';
import { deploySummary, failureOf } from '../summary/deploy.ts';
import { traceRecords } from '../trace/lineage.ts';

const releaseOrPrevious: Reader<Digest | 'previous'> = (value, name) =>
  value === 'previous' ? value : requiredDigest(value, name);

/** Release → what serves. */
export const action = defineAction({
  inputs: {
    release: releaseOrPrevious,
    name: optionalText,
    environment: optionalText,
    'by-hand': optional<boolean>(flag),
    lift: flag,
    store: requiredText,
    ...registryInputs,
  },
  async run({ store: place, 'by-hand': named, ...inputs }, job) {
    const { env } = job;
    // A deploy that is cancelled still has to undo, to prove and to record.
    const store = await job.openStore(place, 'store', new AbortController().signal);
    // At a terminal it is a person who names a release, unless it says otherwise.
    const request = { ...inputs, byHand: named ?? !env.GITHUB_EVENT_NAME };
    const github = { env, token: inputs.token, log: job.log, signal: job.signal };
    const deps = siteDeps(store, job);
    const deployed = await deploy(await locate(request, deps), request, {
      ...deps,
      isAncestor: isAncestorIn({ ...github, workspace: job.workspace }),
      approve: async (approvers, environment) => {
        const { login, did, as } = await findApproval({ approvers, environment }, github);
        return `${login}, who ${did} it${as === login ? '' : ` (${as})`}`;
      },
      mask: job.mask,
    });
    const { config, digest } = deployed.deployment;
    // A deploy that was cancelled, too, has ended as it has.
    await tellDeployment(
      {
        environment: config.environment,
        release: deployed.parts.release.digest,
        endpoint: config.endpoint,
        live: isLive(config),
        says: `${config.outcome}${config.reason === null ? '' : `: ${config.reason}`}`,
      },
      github,
    ).catch((error: unknown) =>
      job.log.warning(`GitHub does not learn of this deployment: ${messageOf(error)}`),
    );
    const exitStatus = exitStatusOf(config);
    // The deploy has ended as it has, whatever can be drawn of it.
    const { nodes } = await traceRecords(deployed.site.records, [digest]).catch((error: unknown) => {
      job.log.warning(`the lineage is not shown: ${messageOf(error)}`);
      return { nodes: [] };
    });
    const failures = [failureOf(deployed), unrecordedOf(deployed, store)].flatMap((one) => one ?? []);
    return {
      outputs: { deployment: digest, endpoint: config.endpoint, outcome: config.outcome },
      summary: deploySummary(deployed, nodes, store),
      ...(failures.length > 0 && { failure: failures.join('\n') }),
      ...(exitStatus !== undefined && { exitStatus }),
    };
  },
});

/** Commits of two repositories have no order. */
function isAncestorIn(place: GitHubPlace & { readonly workspace: string }): IsAncestor {
  const ask = ancestry(place);
  return async (older, newer) =>
    older.repository === newer.repository ? ask(older.commit, newer.commit) : undefined;
}

function siteDeps(store: Store, job: Job): Parameters<typeof locate>[1] {
  const { env, log, signal } = job;
  const scratch = (): Promise<string> => job.scratch();
  return {
    store,
    stateRoot: stateFolder(env),
    env,
    log,
    signal,
    cause: causeOf(env),
    node: process.execPath,
    frontCode: () => frontCode(process.argv[1] ?? ''),
    uv: () => findUv({ env, log, signal, cache: cacheFolder(env), scratch }),
    clusterEnv: () => withKubeconfig(job),
  };
}

/** Why the step fails for what the store does not know; undefined when it does. */
function unrecordedOf({ unrecorded, deployment: { config } }: Deployed, store: Store): string | undefined {
  if (unrecorded === undefined) return undefined;
  const place = `the store ${store.location} does not know of`;
  return isLive(config)
    ? `the release is ${config.outcome} at ${config.endpoint}, but ${place} it: ${unrecorded}. Mend that, and deploy the same release again`
    : `${place} that: ${unrecorded}; once that is mended, the next deploy tells it`;
}

/** The bundle that runs now, of which `script` is a stub (`dist/NAME/index.js`), as the front needs it. */
async function frontCode(script: string): Promise<FrontCode> {
  const folder = dirname(dirname(await realpath(script)));
  const entry = join('front', 'index.js');
  const chunks = (await readdir(folder)).filter((name) => name.endsWith('.js')).sort();
  return { folder, files: ['package.json', ...chunks, entry], entry };
}
