import * as core from '@actions/core';
import type { Job } from './action.ts';
import { inert } from './inert.ts';
import { cut } from './markdown.ts';
import { cancellation, scratchFolders } from './place.ts';
import type { Host } from './run.ts';
import { openStoreFor } from './stores.ts';

/** A step of a GitHub Actions job. */
export function githubHost(env: Readonly<Record<string, string | undefined>>): Host {
  const workspace = env.GITHUB_WORKSPACE ?? process.cwd();
  const folders = scratchFolders(env.RUNNER_TEMP);
  const log = {
    info: (line: string) => core.info(inert(line)),
    warning: (line: string) => core.warning(line),
    group: core.group,
  };
  const job: Job = {
    env,
    log,
    signal: cancellation(),
    workspace,
    inActions: true,
    scratch: folders.make,
    openStore: (value: string, input: string, signal = job.signal) =>
      openStoreFor(value, input, {
        ...job,
        signal,
        inActions: env.GITHUB_ACTIONS === 'true',
        folder: workspace,
        // Only actions of the hosted and target zones have this input.
        githubToken: core.getInput('token'),
        input: core.getInput,
        artifacts: async () => {
          const { artifactStore } = await import('../store/artifact.ts');
          return artifactStore({ env, log, folder: await folders.make() });
        },
      }),
    remember: (text: string) => core.saveState('left', text),
    remembered: core.getState('left'),
    mask: (secret: string) => core.setSecret(secret),
  };
  const summarise = async (markdown: string): Promise<void> => {
    if (env.GITHUB_STEP_SUMMARY === undefined || markdown === '') return;
    await core.summary
      .addRaw(cut(markdown), true)
      .write()
      .catch((error: unknown) => core.warning(`the summary could not be written: ${String(error)}`));
  };
  return {
    job,
    input: (name) => core.getInput(name),
    output: (outputs) => {
      for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value);
    },
    summarise,
    fail: async (message, summary) => {
      if (summary !== undefined) await summarise(summary);
      core.setFailed(message);
    },
    close: folders.remove,
  };
}
