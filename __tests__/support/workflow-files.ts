/** Reads the workflow and action files of this repository into exact types, for the tests over them. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

export const root = join(import.meta.dirname, '..', '..');

const Scalar = z.union([z.string(), z.number(), z.boolean()]);
const With = z.record(z.string(), Scalar).default({});
const Permissions = z.union([z.string(), z.record(z.string(), z.string())]);
const Outputs = z.record(z.string(), z.object({ description: z.string(), value: z.string().optional() }));
const Inputs = z.record(
  z.string(),
  z
    .object({ description: z.string(), required: z.boolean().default(false), default: Scalar.optional() })
    .loose(),
);

const Concurrency = z.object({ group: z.string() }).loose().optional();
const Step = z
  .object({ id: z.string().optional(), uses: z.string().optional(), run: z.string().optional(), with: With })
  .loose();
const Job = z
  .object({
    needs: z.union([z.string().transform((name) => [name]), z.array(z.string())]).default([]),
    if: z.string().optional(),
    uses: z.string().optional(),
    with: With,
    secrets: z.unknown().optional(),
    environment: z.unknown().optional(),
    concurrency: Concurrency,
    permissions: Permissions.optional(),
    'timeout-minutes': z.unknown().optional(),
    steps: z.array(Step).default([]),
    outputs: z.record(z.string(), z.string()).default({}),
  })
  .loose();
const Call = z.object({
  inputs: Inputs.default({}),
  outputs: Outputs.default({}),
  secrets: z.record(z.string(), z.object({ description: z.string() }).loose()).default({}),
});
const Workflow = z.object({
  on: z.record(z.string(), z.unknown()),
  permissions: Permissions.optional(),
  env: z.unknown().optional(),
  concurrency: Concurrency,
  jobs: z.record(z.string(), Job),
});
const Action = z.object({
  inputs: Inputs.default({}),
  outputs: Outputs.default({}),
  runs: z.object({ main: z.string() }),
});

export type Step = z.infer<typeof Step>;
export type Job = z.infer<typeof Job>;
export type Workflow = z.infer<typeof Workflow>;
export type Action = z.infer<typeof Action>;
/** What a caller can give and get: an action, or a reusable workflow. */
export type Callee = Pick<Action, 'inputs' | 'outputs'> & { secrets: object };

/** Paths of all workflows (`.github/workflows`) and templates (`workflows`), relative to the repository. */
export const workflowFiles = globSync('{.github/workflows,workflows}/*.yml', { cwd: root }).sort();

/** Paths of all action files, relative to the repository. */
export const actionFiles = globSync('{.,actions/*}/action.yml', { cwd: root }).sort();

/** Parses the text of a workflow. */
export function parseWorkflow(text: string): Workflow {
  return Workflow.parse(parse(text));
}

export function readWorkflow(file: string): Workflow {
  return parseWorkflow(readFileSync(join(root, file), 'utf8'));
}

export function readAction(file: string): Action {
  return Action.parse(parse(readFileSync(join(root, file), 'utf8')));
}

/** The `workflow_call` side of a reusable workflow; undefined when it can't be called. */
export function callOf(workflow: Workflow): Callee | undefined {
  if (!('workflow_call' in workflow.on)) return undefined;
  return Call.parse(workflow.on.workflow_call ?? {});
}

/**
 * The path in this repository that a `uses:` names, however it says so: `$/x`, `./x` or `trainyard/trainyard/x@v1`.
 * Undefined for other repositories' actions; the root action is `.`.
 */
export function ownPath(uses: string): string | undefined {
  const found = /^(?:\$|\.)\/(.+)$/.exec(uses) ?? /^trainyard\/trainyard(?:\/(.+))?@v1$/.exec(uses);
  return found ? (found[1] ?? '.') : undefined;
}
