import type { Launcher } from '../../../records/program.ts';
import { torchrunCommand } from '../torchrun.ts';

type Slurm = Extract<Launcher, { kind: 'slurm' }>;

/** How long before a job's time limit its program is asked to stop, in seconds. */
const WARNING_SECONDS = 90;

/** Files of a job, on a disk that its nodes see. */
export interface JobFiles {
  readonly script: string;
  /** The program's environment, for the script to read; nobody else may. */
  readonly environment: string;
  /** What the job prints. */
  readonly log: string;
  /** What the script tells of itself, a line each: `job NUMBER`, `began HOST`, `warned SECONDS`, `ended STATUS`. */
  readonly state: string;
}

/**
 * The options of sbatch. The project's own come first, so that they cannot take the log or the signal away.
 * @param name of the job
 */
export function submitOptions(slurm: Slurm, name: string, cwd: string, { log }: JobFiles): string[] {
  const time = slurm.timeSeconds === undefined ? undefined : Math.ceil(slurm.timeSeconds / 60);
  return [
    ...slurm.options,
    '--parsable',
    `--job-name=${name}`,
    `--chdir=${cwd}`,
    `--output=${log.replaceAll('%', '%%')}`,
    '--open-mode=append',
    // Neither the runner's variables nor those of somebody's login.
    '--export=NIL',
    // What is started again begins from the newest durable checkpoint, and that is ours to put there.
    '--no-requeue',
    `--signal=B:USR1@${WARNING_SECONDS}`,
    `--nodes=${slurm.nodes}`,
    `--ntasks-per-node=${slurm.torchrun === undefined ? slurm.tasks : 1}`,
    ...(slurm.gpus > 0 ? [`--gpus-per-node=${slurm.gpus}`] : []),
    ...(slurm.cpus === undefined ? [] : [`--cpus-per-task=${slurm.cpus}`]),
    ...(slurm.partition === undefined ? [] : [`--partition=${slurm.partition}`]),
    ...(time === undefined ? [] : [`--time=${time}`]),
  ];
}

/** The batch script. Signals reach the program as steps of the job; the script itself only tells of them, and waits. */
export function batchScript(slurm: Slurm, command: readonly string[], files: JobFiles): string {
  return `#!/bin/sh
state=${quote(files.state)}
echo "job $SLURM_JOB_ID" >> "$state"
echo "began $(hostname)" >> "$state"
caught=yes
trap 'caught=yes; echo "warned $(date +%s)" >> "$state"; scancel --signal=TERM "$SLURM_JOB_ID"' USR1
trap caught=yes TERM
. ${quote(files.environment)}
${meetingOf(slurm)}srun --export=ALL --kill-on-bad-exit=1 ${words(slurm, command)} &
program=$!
# A signal ends the waiting, and not the program.
while [ "$caught" ]; do
  caught=
  wait "$program"
  status=$?
done
echo "ended $status" >> "$state"
exit "$status"
`;
}

/** The program's environment as a shell reads it. */
export function environmentScript(env: Readonly<Record<string, string>>): string {
  return (
    Object.entries(env)
      // Which GPUs there are is Slurm's to say.
      .filter(([name]) => /^[A-Za-z_]\w*$/.test(name) && !/_VISIBLE_DEVICES$/.test(name))
      .map(([name, value]) => `export ${name}=${quote(value)}\n`)
      .join('')
  );
}

/** Nodes of a job meet at the first of them; its number keeps two jobs on one node apart. */
function meetingOf({ nodes, torchrun }: Slurm): string {
  if (torchrun === undefined || nodes === 1) return '';
  return 'meeting=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):$((20000 + SLURM_JOB_ID % 10000))\n';
}

function words(slurm: Slurm, command: readonly string[]): string {
  const { torchrun, nodes, gpus } = slurm;
  if (torchrun === undefined) return command.map(quote).join(' ');
  const processes = torchrun.processes ?? Math.max(1, gpus);
  const options = { processes, restarts: torchrun.restarts };
  if (nodes === 1) return torchrunCommand(command, options).map(quote).join(' ');
  const meeting = [`--nnodes=${nodes}`, '--rdzv_backend=c10d', '--rdzv_id=trainyard', MEETING];
  // The one word that the shell fills in.
  return torchrunCommand(command, { ...options, meeting })
    .map((word) => (word === MEETING ? `${MEETING}"$meeting"` : quote(word)))
    .join(' ');
}

const MEETING = '--rdzv_endpoint=';

/** A word as it is, whatever it holds. */
function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
