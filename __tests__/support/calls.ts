/** What a workflow calls in this repository, held against what is declared there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Callee,
  callOf,
  type Job,
  ownPath,
  readAction,
  readWorkflow,
  root,
  type Step,
  type Workflow,
} from './workflow-files.ts';

type Caller = Pick<Job, 'with'> & { uses?: string | undefined };

/** Finds the action or reusable workflow of this repository that a path names; undefined when there is none. */
export function calleeAt(path: string): Callee | undefined {
  const file = path.endsWith('.yml') ? path : join(path, 'action.yml');
  if (!existsSync(join(root, file))) return undefined;
  return path.endsWith('.yml') ? callOf(readWorkflow(file)) : readAction(file);
}

/**
 * Finds what is wrong with the calls of one workflow to this repository: a target that is not there, an input that is not
 * declared, a required one that is not given, an output that does not exist.
 *
 * @returns one sentence for each fault; empty when all calls fit
 */
export function callFaults(workflow: Workflow): string[] {
  const jobs = Object.entries(workflow.jobs);
  return [
    ...jobs.flatMap(([name, job]) =>
      [job, ...job.steps].flatMap((caller) => inputFaults(`job ${name}`, caller)),
    ),
    ...jobs.flatMap(([name, job]) => outputFaults(`job ${name}`, job, job.steps, workflow)),
    ...outputFaults('workflow_call', callOf(workflow)?.outputs ?? {}, [], workflow),
  ];
}

function inputFaults(where: string, { uses, with: given }: Caller): string[] {
  const path = ownPath(uses ?? '');
  if (path === undefined) return [];
  const callee = calleeAt(path);
  if (callee === undefined) return [`${where} calls ${uses}, which is not there`];
  const required = Object.keys(callee.inputs).filter((name) => callee.inputs[name]?.required);
  return [
    ...Object.keys(given)
      .filter((name) => !(name in callee.inputs))
      .map((name) => `${where} gives ${uses} the unknown input ${name}`),
    ...required
      .filter((name) => !(name in given))
      .map((name) => `${where} does not give ${uses} its input ${name}`),
  ];
}

/** Checks each `needs.X.outputs.Y`, `jobs.X.outputs.Y` and `steps.X.outputs.Y` in a part of the workflow. */
function outputFaults(where: string, part: object, steps: Step[], workflow: Workflow): string[] {
  const names = JSON.stringify(part).matchAll(/\b(needs|jobs|steps)\.([\w-]+)\.outputs\.([\w-]+)/g);
  return [...names]
    .filter(([, kind = '', from = '', output = '']) => {
      if (kind !== 'steps') return !(output in jobOutputs(workflow.jobs[from]));
      return !(output in stepOutputs(steps, from));
    })
    .map(([text]) => `${where} reads ${text}, which is not there`);
}

function jobOutputs(job: Job | undefined): object {
  const called = ownPath(job?.uses ?? '');
  return (called === undefined ? job?.outputs : calleeAt(called)?.outputs) ?? {};
}

function stepOutputs(steps: Step[], id: string): object {
  const path = ownPath(steps.find((step) => step.id === id)?.uses ?? '');
  return (path === undefined ? undefined : calleeAt(path)?.outputs) ?? {};
}

/**
 * Finds permissions that a called workflow asks for and its caller does not grant: on GitHub the whole workflow then fails
 * to start.
 */
export function grantFaults(workflow: Workflow): string[] {
  return Object.entries(workflow.jobs).flatMap(([name, job]) => {
    const path = ownPath(job.uses ?? '');
    if (path === undefined) return [];
    const granted = scopes(job.permissions ?? workflow.permissions);
    return Object.values(readWorkflow(path).jobs)
      .flatMap((inner) => scopes(inner.permissions))
      .filter((scope) => !granted.includes(scope))
      .map((scope) => `job ${name} does not grant ${path} ${scope}`);
  });
}

function scopes(permissions: Job['permissions']): string[] {
  if (typeof permissions === 'string') return [permissions];
  return Object.entries(permissions ?? {}).map(([scope, access]) => `${scope}: ${access}`);
}
