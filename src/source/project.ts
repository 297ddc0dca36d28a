import { z } from 'zod';
import { json } from '../lib/json.ts';
import { strict } from '../lib/strict.ts';
import { duration, memory } from '../lib/units.ts';
import { insidePath, projectName, variableName } from '../records/names.ts';
import { command } from './command.ts';
import { data } from './data.ts';

const globs = z
  .array(z.string().min(1))
  .min(1)
  .describe('Files and folders of the program, as globs; ../ reaches the rest of the repository');

const python = z
  .union(
    [
      strict({
        requirements: z
          .string()
          .describe('Requirements with a --hash for each, as `uv pip compile --generate-hashes` writes them'),
      }),
      strict({
        lock: z.literal('uv.lock'),
        groups: z.array(z.string()).default([]).describe('Dependency groups to install'),
      }),
    ],
    'either {requirements: FILE} or {lock: uv.lock, groups: [...]}',
  )
  .describe('The packages of the program, pinned');

const image = z
  .string()
  .regex(/^[^\s@]+@sha256:[0-9a-f]{64}$/, 'an image pinned by digest: HOST/REPO@sha256:…')
  .describe('The container image that it runs in as a pod; python is for a machine');

const torchrun = strict({
  processes: z.int().positive().optional().describe('Processes of each node; without it one per GPU'),
  restarts: z.int().nonnegative().default(0).describe('How often all workers may be started again'),
});

const slurm = strict({
  nodes: z.int().positive().default(1),
  tasks: z.int().positive().default(1).describe('Tasks of each node'),
  gpus: z.int().nonnegative().default(0).describe('GPUs of each node'),
  cpus: z.int().positive().optional().describe('Processors of each task'),
  partition: z.string().min(1).optional(),
  time: duration.optional().describe('The time limit of the Slurm job, e.g. 12h'),
  options: z.array(z.string().startsWith('-')).default([]).describe('More options of sbatch'),
  torchrun: torchrun.optional().describe('Starts torchrun on every node'),
});

const launcher = z.union(
  [z.enum(['local', 'torchrun']), strict({ torchrun }), strict({ slurm })],
  'local, torchrun, {torchrun: {…}} or {slurm: {…}}',
);
export type LauncherSource = z.output<typeof launcher>;

const trainer = strict({
  source: globs,
  python,
  command: command.describe(
    'What trains; ${params}, ${params.NAME}, ${data.NAME}, ${output}, ${checkpoints} are expanded, without a shell',
  ),
  params: z
    .union(
      [z.record(z.string(), json), z.string()],
      'parameters by name, or the name of a YAML or JSON file that holds them',
    )
    .default({})
    .describe('Parameters, by name, or a file that holds them'),
  data: z
    .record(z.string().regex(/^[a-z][a-z0-9_-]*$/), data)
    .default({})
    .describe('Data sets by name'),
  env: z.array(variableName).default([]).describe('Variables of the runner machine that the trainer sees'),
  resources: strict({
    gpus: z.int().nonnegative().optional(),
    'gpu-memory': memory.optional(),
    memory: memory.optional(),
    disk: memory.optional(),
  })
    .default({})
    .describe('What a runner must have'),
  timeout: duration.optional().describe('When a training is ended, e.g. 2h'),
  silence: duration.optional().describe('How long it may print nothing before it counts as hung, e.g. 30m'),
  finite: z
    .array(z.string().min(1))
    .default([])
    .describe('Metrics that end the training when they become NaN or infinite'),
  launcher: launcher.default('local').describe('What starts the program'),
  checkpoints: strict({
    keep: z.int().positive().default(2).describe('How many of the newest stay'),
    best: z.string().min(1).optional().describe('A metric; the checkpoint with its best value stays, too'),
  })
    .prefault({})
    .describe('Which checkpoints are kept'),
  smoke: strict({ params: z.record(z.string(), json).default({}) })
    .optional()
    .describe('A try of a few steps, before a GPU is asked for'),
});

const server = strict({
  source: globs,
  python: python.optional(),
  image: image.optional(),
  command: command.describe(
    'What serves; ${model}, ${models}, ${host} and ${port} are expanded, without a shell',
  ),
  ready: z.string().startsWith('/').describe('The path that answers 2xx when the server is ready'),
  'ready-timeout': duration.default(60).describe('How long a start may take, e.g. 60s'),
  golden: insidePath
    .optional()
    .describe('The trainer’s output with requests and the answers they must get, as JSON Lines'),
  tolerance: z
    .number()
    .nonnegative()
    .default(1e-4)
    .describe('Relative tolerance of numbers in golden answers'),
  config: z.string().optional().describe('A JSON Schema file of the environments’ configuration and secrets'),
});

const threshold = strict({
  goal: z.enum(['maximize', 'minimize']),
  min: z.number().optional(),
  max: z.number().optional(),
});

/** `trainyard.yml`: what a project is, without any environment. */
export const projectSchema = strict({
  name: projectName.describe('The project’s name; it stands in tags and folders'),
  trainer,
  metrics: z
    .record(z.string(), threshold)
    .default({})
    .describe('Thresholds that a model must hold to be packaged'),
  model: strict({
    files: z.array(insidePath).min(1).describe('The trainer’s outputs that are the model'),
    card: z.string().optional().describe('A Markdown file that becomes the model card'),
    allow: z
      .array(z.enum(['pickle']))
      .default([])
      .describe('pickle: files that are or hold pickles are packaged if a scanner finds them clean'),
    image: z
      .boolean()
      .default(false)
      .describe('Whether the model is made into a container image as well, under /models'),
  }),
  server: server.optional(),
}).check((context) => {
  const { model, server } = context.value;
  model.files.forEach((path, index) => {
    if (path !== 'README.md' && path !== server?.golden && model.files.indexOf(path) === index) return;
    context.issues.push({
      code: 'custom',
      path: ['model', 'files', index],
      input: path,
      message: `${path} is in the package already: the card is its README.md, server.golden is taken by itself, and each file once`,
    });
  });
  const names = Object.keys(context.value.trainer.data);
  const variables = names.map((name) => name.replaceAll('-', '_'));
  names.forEach((name, index) => {
    const first = names[variables.indexOf(variables[index] ?? '')];
    if (first === name) return;
    context.issues.push({
      code: 'custom',
      path: ['trainer', 'data', name],
      input: name,
      message: `${name} and ${first} are one name in TRAINYARD_DATA_…; rename one`,
    });
  });
  const { best } = context.value.trainer.checkpoints;
  if (best !== undefined && context.value.metrics[best] === undefined) {
    context.issues.push({
      code: 'custom',
      path: ['trainer', 'checkpoints', 'best'],
      input: best,
      message: `whether more or less of ${best} is better must be said: metrics: {${best}: {goal: maximize}}`,
    });
  }
  if (server !== undefined && server.python === undefined && server.image === undefined) {
    context.issues.push({
      code: 'custom',
      path: ['server'],
      input: server,
      message: 'give python, to serve on a machine, or image, to serve in a cluster, or both',
    });
  }
});
export type Project = z.infer<typeof projectSchema>;
