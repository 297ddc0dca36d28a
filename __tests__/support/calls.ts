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

type Caller = Pick<Job, 'with'> & { uses?: string | undefined; secrets?: unknown };
type Permissions = NonNullable<Job['permissions']>;
type Read = (path: string) => Workflow;

/** Finds the action or reusable workflow of this repository that a path names; undefined when there is none. */
export function calleeAt(path: string): Callee | undefined {
  const file = path.endsWith('.yml') ? path : join(path, 'action.yml');
  if (!existsSync(join(root, file))) return undefined;
  return path.endsWith('.yml') ? callOf(readWorkflow(file)) : { ...readAction(file), secrets: {} };
}

/**
 * Finds what is wrong with the calls of one workflow to this repository: a target that is not there, an input or a secret that is
 * not declared, a required one that is not given, an output that does not exist.
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

function inputFaults(where: string, { uses, with: given, secrets }: Caller): string[] {
  const path = ownPath(uses ?? '');
  if (path === undefined) return [];
  const callee = calleeAt(path);
  if (callee === undefined) return [`${where} calls ${uses}, which is not there`];
  const required = Object.keys(callee.inputs).filter((name) => callee.inputs[name]?.required);
  return [
    ...Object.keys(given)
      .filter((name) => !(name in callee.inputs))
      .map((name) => `${where} gives ${uses} the unknown input ${name}`),
    ...Object.keys(typeof secrets === 'object' ? (secrets ?? {}) : {})
      .filter((name) => !(name in callee.secrets))
      .map((name) => `${where} gives ${uses} the unknown secret ${name}`),
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
 * Finds permissions that a called workflow asks for, and its caller does not grant: on GitHub the whole workflow then fails to
 * start, whatever the jobs' conditions. A job without `permissions` asks for nothing, and has what its caller grants.
 */
export function grantFaults(workflow: Workflow, read: Read = readWorkflow, most?: Permissions): string[] {
  const faults = Object.entries(workflow.jobs).flatMap(([name, job]) => {
    const path = ownPath(job.uses ?? '');
    if (path === undefined) return [];
    const granted = job.permissions ?? workflow.permissions ?? most;
    const called = read(path);
    const asked = [called, ...Object.values(called.jobs)].flatMap(({ permissions }) => scopesOf(permissions));
    return [
      ...asked
        .filter((scope) => !scopesOf(granted).some((have) => covers(have, scope)))
        .map((scope) => `job ${name} does not grant ${path} ${scope}`),
      ...grantFaults(called, read, granted ?? {}),
    ];
  });
  return [...new Set(faults)];
}

/** What each job has that runs, by its path through the workflows that are called, such as `pipeline/train/build`. */
export function permissionsIn(
  workflow: Workflow,
  read: Read = readWorkflow,
  most?: Permissions,
): Record<string, string[]> {
  const entries = Object.entries(workflow.jobs).flatMap(([name, job]): [string, string[]][] => {
    const path = ownPath(job.uses ?? '');
    const own = job.permissions ?? workflow.permissions ?? most;
    if (path === undefined) return [[name, own === undefined ? ['the default'] : scopesOf(own)]];
    return Object.entries(permissionsIn(read(path), read, own)).map(([inner, has]) => [
      `${name}/${inner}`,
      has,
    ]);
  });
  return Object.fromEntries(entries);
}

/** `contents: read`, one text for each scope. */
export function scopesOf(permissions: Permissions | undefined): string[] {
  if (typeof permissions === 'string') return [permissions];
  return Object.entries(permissions ?? {}).map(([scope, access]) => `${scope}: ${access}`);
}

function covers(granted: string, asked: string): boolean {
  return granted === asked || granted === asked.replace(/: read$/, ': write');
}
