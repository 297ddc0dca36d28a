/** A training whose metrics are written by the libraries themselves, read as it goes on and kept in its Run. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pythonOf } from '../../scripts/python.ts';
import { METRICS_LAYER } from '../../src/records/run.ts';
import { readBytes } from '../../src/store/records.ts';
import { train } from '../../src/train/train.ts';
import { putTrainer } from '../support/programs.ts';
import { type TrainingMachine, trainingMachine } from '../support/training.ts';

const SCRIPT = `
import json, math, os, sys
import mlflow
from tensorboard.summary import Writer
from tensorboardX import SummaryWriter
from transformers import TrainerState

checkpoints, output = os.environ["TRAINYARD_CHECKPOINT_DIR"], os.environ["TRAINYARD_OUTPUT_DIR"]
open(output + "/model.txt", "w").write("a model")
scalars, tensors = SummaryWriter(output + "/runs/x"), Writer("lightning_logs/version_0")
history = []
with mlflow.start_run(), open(os.environ["TRAINYARD_METRICS_FILE"], "a") as own:
    mlflow.log_param("rate", 0.1)
    for step in range(1, 301):
        value = 1 / step
        own.write(json.dumps({"step": step, "loss": value}) + "\\n")
        mlflow.log_metric("loss", 7, step=step)
        mlflow.log_metric("mlflow/loss", math.inf if step == 5 else value, step=step)
        scalars.add_scalar("board/x", value, step)
        tensors.add_scalar("board/tensor", value, step)
        if step % 100 == 0:
            history.append({"epoch": step / 100, "eval_loss": value, "step": step})
            folder = f"{checkpoints}/checkpoint-{step}"
            os.mkdir(folder)
            state = TrainerState(global_step=step, max_steps=300, log_history=history)
            state.save_to_json(folder + "/trainer_state.json")
scalars.close()
tensors.close()
`;

let machine: TrainingMachine;
let python: string;
beforeAll(async () => {
  machine = await trainingMachine();
  python = await pythonOf('trackers');
}, 600_000);
afterAll(() => machine.remove());

test('MLflow, TensorBoard, tensorboardX and transformers: every point is in the Run, each metric of one source', async () => {
  const command = [python, 'train.py'];
  const trainer = await putTrainer(machine.handoff, { 'train.py': SCRIPT }, { command });
  const { run, series } = await train({ trainer: trainer.digest, params: {}, commit: null }, machine.deps);
  expect(run.config).toMatchObject({ state: 'succeeded' });
  const value = 1 / 300;
  expect(run.config.metrics).toEqual({
    loss: value,
    epoch: 3,
    eval_loss: value,
    'mlflow/loss': value,
    'board/x': Math.fround(value),
    'board/tensor': Math.fround(value),
  });
  expect(series.get('board/x')).toMatchObject({ first: 1 });

  const layer = run.manifest.layers.find(({ mediaType }) => mediaType === METRICS_LAYER);
  const bytes = layer === undefined ? Buffer.alloc(0) : await readBytes(machine.handoff, layer.digest);
  const counts = new Map<string, number>();
  for (const line of bytes.toString().trimEnd().split('\n'))
    for (const name of Object.keys(JSON.parse(line))) counts.set(name, (counts.get(name) ?? 0) + 1);
  counts.delete('step');
  expect(Object.fromEntries(counts)).toEqual({
    loss: 300,
    epoch: 3,
    eval_loss: 3,
    'mlflow/loss': 299,
    'board/x': 300,
    'board/tensor': 300,
  });
}, 120_000);
