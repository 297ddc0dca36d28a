/** A training whose metrics are written by the libraries themselves, read as it goes on and kept in its Run. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pythonOf } from '../../scripts/python.ts';
import { torch } from '../../scripts/torch.ts';
import { METRICS_LAYER } from '../../src/records/run.ts';
import { readBytes } from '../../src/store/records.ts';
import { train } from '../../src/train/train.ts';
import { putTrainer } from '../support/programs.ts';
import { type TrainingMachine, trainingMachine } from '../support/training.ts';

const SCRIPT = `
import json, math, os
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
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

const TRAINER = `
import os, torch
from transformers import Trainer, TrainingArguments

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x, labels):
        return {"loss": ((self.layer(x).squeeze(-1) - labels) ** 2).mean()}

rows = [{"x": torch.tensor([i / 64, 1.0]), "labels": torch.tensor(1.0)} for i in range(64)]
options = TrainingArguments(
    output_dir=os.environ["TRAINYARD_CHECKPOINT_DIR"], max_steps=20, save_steps=10, logging_steps=2,
    per_device_train_batch_size=4, report_to=["none"], use_cpu=True, disable_tqdm=True,
)
trainer = Trainer(model=Model(), args=options, train_dataset=rows)
trainer.train()
trainer.save_model(os.environ["TRAINYARD_OUTPUT_DIR"])
`;

let machine: TrainingMachine;
beforeAll(async () => {
  machine = await trainingMachine();
  for (const name of ['trackers', 'torch-frameworks']) await pythonOf(name);
  await torch();
}, 600_000);
afterAll(() => machine.remove());

test('MLflow, TensorBoard, tensorboardX and transformers: every point is in the Run, each metric of one source', async () => {
  const command = [await pythonOf('trackers'), 'train.py'];
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

test('a Trainer of Hugging Face, with PyTorch: its history is the Run’s, and its steps give the time left', async () => {
  const variables = await torch();
  const config = { command: [await pythonOf('torch-frameworks'), 'train.py'], env: Object.keys(variables) };
  const trainer = await putTrainer(machine.handoff, { 'train.py': TRAINER }, config);
  const deps = { ...machine.deps, env: { ...machine.deps.env, ...variables, HF_HUB_OFFLINE: '1' } };
  const { run, series } = await train({ trainer: trainer.digest, params: {}, commit: null }, deps);
  expect(run.config).toMatchObject({ state: 'succeeded' });
  expect(series.get('loss')?.points.map(([step]) => step)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
  expect(Object.keys(run.config.metrics)).toEqual(
    expect.arrayContaining(['epoch', 'grad_norm', 'learning_rate']),
  );
  expect(machine.printed()).toMatch(/^step 20\/20 loss /m);
}, 120_000);
