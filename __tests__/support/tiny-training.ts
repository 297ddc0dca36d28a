import { createHash } from 'node:crypto';
import type { TrainerConfig } from '../../src/records/program.ts';
import type { Files } from './programs.ts';

/**
 * A training of `steps` steps of `pause` seconds each, with a checkpoint after every step. Its model tells whether each step followed
 * the one before it exactly once.
 */
export const TINY: { readonly files: Files; readonly overrides: Partial<TrainerConfig> } = {
  files: {
    'train.py': `
import hashlib, json, os, signal, time
params = json.load(open(os.environ["TRAINYARD_PARAMS_FILE"]))
step, state = 0, ""
if "TRAINYARD_RESUME_FROM" in os.environ:
    step, state = json.load(open(os.environ["TRAINYARD_RESUME_FROM"]))
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
print("working from step", step, flush=True)
while step < params["steps"] and not asked:
    time.sleep(params["pause"])
    step += 1
    state = hashlib.sha256(f"{params['seed']} {step} {state}".encode()).hexdigest()
    path = f"{os.environ['TRAINYARD_CHECKPOINT_DIR']}/step-{step}"
    with open(path + ".tmp", "w") as file:
        json.dump([step, state], file)
    time.sleep(0.02)  # as a large one takes; else nothing tells that it was renamed
    os.rename(path + ".tmp", path)
    with open(os.environ["TRAINYARD_METRICS_FILE"], "a") as file:
        print(json.dumps(dict(step=step, loss=1 / step)), file=file)
    print("did step", step, flush=True)
if step < params["steps"]:
    with open(os.environ["TRAINYARD_CHECKPOINT_DIR"] + "/step-99.tmp", "w") as file:
        file.write("half of it")
else:
    with open(os.environ["TRAINYARD_OUTPUT_DIR"] + "/model", "w") as file:
        file.write(state)
`,
  },
  overrides: {
    command: ['python3', '-S', '-E', 'train.py'],
    params: { steps: 8, pause: 0.1, seed: 1 },
  },
};

/** The model of an uninterrupted training. */
export function tinyModel(steps: number, seed: number): string {
  let state = '';
  for (let step = 1; step <= steps; step += 1)
    state = createHash('sha256').update(`${seed} ${step} ${state}`).digest('hex');
  return state;
}
