/**
 * The trust zones, read off the workflow files: the job that trains runs the user's code, so it may hold nothing worth
 * stealing, and what comes after it must say in full when it runs.
 */
import { scopesOf } from './calls.ts';
import { type Job, ownPath, type Workflow } from './workflow-files.ts';

/** Events whose runs hold more rights than the code that they check out. */
const DANGEROUS = ['pull_request_target', 'workflow_run', 'issue_comment'];
/** What a hosted job may have that asks for nothing itself, and so has what its caller grants. */
const INHERITED = ['contents: read', 'packages: read'];
/** The one secret that a workflow which trains may be given; what it does with it is looked at there. */
const FOR_HOSTED = 'registry-auth';
const OURS =
  "(github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name == github.repository)";

/**
 * Finds what is wrong with the zones of one workflow.
 *
 * @param workflow the workflow or template
 * @param called gives a workflow of this repository by its path, to see whether a job that calls it trains
 * @returns one sentence for each fault, with the job's name; empty when the zones hold
 */
export function zoneFaults(workflow: Workflow, called: (path: string) => Workflow): string[] {
  const faults = DANGEROUS.filter((event) => event in workflow.on && !onlyWatches(workflow, event)).map(
    (event) => `event ${event} is not allowed`,
  );
  const training = Object.keys(workflow.jobs).filter((name) => trains(workflow.jobs[name], called));
  for (const [name, job] of Object.entries(workflow.jobs)) {
    const found = [
      ...(training.includes(name) ? trainingFaults(job, workflow, called) : []),
      ...(follows(name, training, workflow) ? conditionFaults(job) : []),
    ];
    faults.push(...found.map((fault) => `job ${name} ${fault}`));
  }
  return faults;
}

/** A workflow after another one that calls no action has nothing of what that one ran. */
function onlyWatches({ jobs }: Workflow, event: string): boolean {
  return (
    event === 'workflow_run' &&
    Object.values(jobs).every(
      ({ uses, steps }) => uses === undefined && steps.every((step) => step.uses === undefined),
    )
  );
}

function actionsOf(job: Job): string[] {
  return job.steps.flatMap(({ uses }) => ownPath(uses ?? '') ?? []);
}

/** True when the user's training code runs in the job, or in a workflow that it calls. */
function trains(job: Job | undefined, called: (path: string) => Workflow): boolean {
  if (job === undefined) return false;
  if (actionsOf(job).some((path) => path === 'actions/train' || path === '.')) return true;
  const path = ownPath(job.uses ?? '');
  return path !== undefined && Object.values(called(path).jobs).some((inner) => trains(inner, called));
}

function trainingFaults(job: Job, workflow: Workflow, called: (path: string) => Workflow): string[] {
  const path = ownPath(job.uses ?? '');
  const says = JSON.stringify([path === undefined ? job : withoutHosted(job), workflow.env ?? null]);
  return [
    ...permissionFaults(
      job.permissions ?? workflow.permissions,
      path === undefined ? [] : asked(called(path)),
    ),
    ...(/\bsecrets\b/.test(says) ? ['trains and is given a secret'] : []),
    ...(/github\.token/i.test(says) ? ['trains and is given the token'] : []),
    ...(job.environment === undefined ? [] : ['trains and has an environment']),
    ...(job.steps.some(({ uses }) => uses?.startsWith('actions/checkout@'))
      ? ['trains and checks source out']
      : []),
    ...(path !== undefined || job.steps.length === 1 ? [] : ['trains and has other steps']),
    ...(path !== undefined || conjuncts(job).includes(OURS) ? [] : ['trains for pull requests of forks']),
  ];
}

function permissionFaults(permissions: Job['permissions'], allowed: string[]): string[] {
  if (permissions === undefined) return ['trains with the default permissions'];
  if (typeof permissions === 'string') return [`trains with permissions ${permissions}`];
  return scopesOf(permissions)
    .filter((granted) => !allowed.includes(granted))
    .map((granted) => `trains with ${granted}`);
}

/** What the jobs of a called workflow ask for; a caller grants no more. */
function asked({ jobs, permissions }: Workflow): string[] {
  return Object.values(jobs).flatMap((job) => {
    const own = job.permissions ?? permissions;
    return own === undefined ? INHERITED : scopesOf(own);
  });
}

/** A call without the secret that only hosted jobs of the called workflow use. */
function withoutHosted({ secrets, ...job }: Job): object {
  const names = typeof secrets === 'object' ? Object.keys(secrets ?? {}) : ['inherit'];
  return secrets === undefined || names.every((name) => name === FOR_HOSTED) ? job : { ...job, secrets };
}

/** True when a job that trains comes before this one, directly or not, so that its skipping must not be inherited. */
function follows(name: string, training: string[], workflow: Workflow): boolean {
  const needs = workflow.jobs[name]?.needs ?? [];
  return needs.some((other) => training.includes(other) || follows(other, training, workflow));
}

function conditionFaults(job: Job): string[] {
  const parts = conjuncts(job);
  const lacks = (part: string): string[] =>
    parts.includes(part) ? [] : [`comes after a training and lacks "${part}"`];
  // A try that may be left out hands nothing on.
  const needs = job.needs.filter(
    (need) => !parts.includes(`(!inputs.${need} || needs.${need}.result == 'success')`),
  );
  return [
    ...lacks('!cancelled()'),
    ...needs.flatMap((need) => [
      ...lacks(`needs.${need}.result == 'success'`),
      ...(parts.some((part) => handsOn(part, need))
        ? []
        : [`comes after a training and lacks "needs.${need}.outputs.Y != ''"`]),
    ]),
  ];
}

/** Whether a part of a condition holds only if a job gave an output. */
function handsOn(part: string, need: string): boolean {
  return part.startsWith(`needs.${need}.outputs.`) && /(?: != ''| == '[^']+')$/.test(part);
}

/** What must hold for the job to run: the parts of its `if` between `&&`, outside of parentheses. */
function conjuncts(job: Job): string[] {
  const text = (job.if ?? '').replace(/^\s*\$\{\{|\}\}\s*$/g, '').replace(/\s+/g, ' ');
  return text.split(/&&(?![^(]*\))/).map((part) => part.trim());
}
