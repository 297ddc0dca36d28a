import type { ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { tool } from '../../scripts/tools.ts';
import { type Step, step } from '../../src/deploy/ledger.ts';
import { readIfThere } from '../../src/lib/files.ts';
import { until } from './fronts.ts';
import type { Machine } from './machines.ts';
import { runStep, type StepResult } from './step.ts';

export interface StepChoices {
  readonly env?: Readonly<Record<string, string>>;
  /** The deploy is at this step when `act` is called with its process. */
  readonly at?: Step;
  readonly act?: (step: ChildProcess) => unknown;
  /** The bundle that users run, not the source. */
  readonly bundled?: boolean;
}

/** The action deploy on a machine, as a runner starts it. */
export async function deployStep(
  machine: Machine,
  inputs: Readonly<Record<string, string>>,
  { env = {}, at, act = () => {}, bundled = false }: StepChoices = {},
): Promise<StepResult> {
  let acting: Promise<unknown> = Promise.resolve();
  const result = await runStep(
    'deploy',
    { store: join(machine.root, 'yard'), name: '', environment: '', ...inputs },
    {
      PATH: `${dirname(await tool('uv'))}:${process.env.PATH}`,
      TRAINYARD_STATE: join(machine.root, 'state'),
      TRAINYARD_CACHE: join(machine.root, 'cache'),
      RUNNER_TRACKING_ID: 'github_9',
      ...env,
    },
    (child) => {
      if (at !== undefined)
        acting = until(async () => (await stepOf(machine)) === at, 60).then(() => act(child));
    },
    bundled ? undefined : join(machine.dist, 'front', 'index.js'),
    bundled,
  );
  await acting;
  return result;
}

/** The step at which a deploy is, by the machine's journal; undefined when none is under way. */
async function stepOf({ state }: Machine): Promise<Step | undefined> {
  const found = /"step":"(\w+)"/.exec((await readIfThere(join(state, 'deploy.json'))) ?? '')?.[1];
  return step.safeParse(found).data;
}
