/** Faults 5 and 7 in a training: names that a program gives are no commands, and another attempt is the same training. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { expectNothingLeft } from '../support/leftovers.ts';
import { commandsOf } from '../support/step.ts';
import { type StepMachine, stepMachine } from '../support/training-step.ts';

const COMMAND = '::add-mask::x';
const OLD_COMMAND = '##[add-mask]true';

let machine: StepMachine;
beforeAll(async () => {
  machine = await stepMachine();
}, 120_000);
afterAll(() => machine.remove());

test('names of checkpoints, metrics, outputs and processes are no commands, and a re-run trains the same', async () => {
  const trainer = await machine.trainer(
    {
      'train.sh': `
cd "$TRAINYARD_CHECKPOINT_DIR"; echo 1 > '${COMMAND}'; mkdir 'checkpoint-1${OLD_COMMAND}'; ln -s / '${OLD_COMMAND}'
printf '{"step": 1, "%s": 1, "a\\\\n%s": NaN}\\nno line of JSON %s' '${COMMAND}' '${COMMAND}' '${OLD_COMMAND}' > "$TRAINYARD_METRICS_FILE"
setsid sh -c 'while :; do sleep 1; done; : "
${COMMAND} ${OLD_COMMAND}"' &
echo m > "$TRAINYARD_OUTPUT_DIR/${OLD_COMMAND}"
sleep 2.5`,
    },
    { command: ['sh', 'train.sh'] },
  );
  const first = await machine.step(trainer, { env: { GITHUB_RUN_ATTEMPT: '1', GITHUB_ACTOR: 'a' } });
  expect(first).toMatchObject({ status: 0, stderr: '', outputs: { state: 'succeeded' } });
  expect(first.stdout).toContain(COMMAND);
  expect(first.stdout).toContain('the program left processes running, and they were ended');
  const ours = new Set(['group', 'endgroup', 'warning', 'stop-commands']);
  expect(commandsOf(first.stdout).filter((name) => !ours.has(name))).toEqual([]);
  await expectNothingLeft(machine);
  const again = await machine.step(trainer, {
    env: { GITHUB_RUN_ATTEMPT: '2', GITHUB_ACTOR: 'b', LANG: 'C' },
  });
  expect(again.outputs).toMatchObject({ state: 'succeeded', 'training-id': first.outputs['training-id'] });
});
