import { readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { deploy } from '../deploy/deploy.ts';
import type { FrontCode } from '../deploy/process/runtime.ts';
import { defineAction } from '../github/action.ts';
import { optionalText, type Reader, registryInputs, requiredDigest, requiredText } from '../github/inputs.ts';
import { cacheFolder, stateFolder } from '../github/place.ts';
import { findUv } from '../github/uv.ts';
import type { Digest } from '../lib/digest.ts';
import { deploySummary, failureOf } from '../summary/deploy.ts';
import { traceRecords } from '../trace/lineage.ts';

const releaseOrPrevious: Reader<Digest | 'previous'> = (value, name) =>
  value === 'previous' ? value : requiredDigest(value, name);

/** Release → what serves on this machine. */
export const action = defineAction({
  inputs: {
    release: releaseOrPrevious,
    name: optionalText,
    environment: optionalText,
    store: requiredText,
    ...registryInputs,
  },
  async run({ store: place, ...request }, job) {
    const { env, log, signal, mask } = job;
    const store = await job.openStore(place, 'store');
    const deployed = await deploy(request, {
      store,
      stateRoot: stateFolder(env),
      env,
      log,
      signal,
      node: process.execPath,
      frontCode: () => frontCode(process.argv[1] ?? ''),
      uv: () => findUv({ env, log, signal, cache: cacheFolder(env), scratch: () => job.scratch() }),
      mask,
    });
    const { config, digest } = deployed.deployment;
    const { nodes } = await traceRecords(deployed.state.store, [digest]);
    const failure =
      failureOf(deployed) ??
      (deployed.unrecorded &&
        `the release is ${config.outcome} at ${config.endpoint}, but the store ${store.location} does not know of it: ${deployed.unrecorded}. Mend that, and deploy the same release again`);
    return {
      outputs: { deployment: digest, endpoint: config.endpoint, outcome: config.outcome },
      summary: deploySummary(deployed, nodes, store),
      ...(failure !== undefined && { failure }),
    };
  },
});

/** The bundle that runs now, of which `script` is a stub (`dist/NAME/index.js`), as the front needs it. */
async function frontCode(script: string): Promise<FrontCode> {
  const folder = dirname(dirname(await realpath(script)));
  const entry = join('front', 'index.js');
  const chunks = (await readdir(folder)).filter((name) => name.endsWith('.js')).sort();
  return { folder, files: ['package.json', ...chunks, entry], entry };
}
