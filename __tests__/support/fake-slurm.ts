import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Commands in the form of Slurm's, which run a job on this machine; a folder holds what a controller would know. */
const COMMANDS = {
  sbatch: `for last; do case "$last" in --output=*) log=\${last#--output=};; --chdir=*) dir=\${last#--chdir=};; esac; done
[ -e "$SLURM_FAKE/down" ] && { echo "sbatch: error: Unable to contact slurm controller" >&2; exit 1; }
printf '%s\\n' "$@" > "$SLURM_FAKE/options"
case "$*" in *--account=unknown*) echo "sbatch: error: Invalid account" >&2; exit 1;; esac
echo RUNNING > "$SLURM_FAKE/state"
cd "$dir" && SLURM_JOB_ID=7 PATH="$PATH" setsid sh -c '"$1"; [ $? = 0 ] && s=COMPLETED || s=FAILED; grep -q CANCELLED "$SLURM_FAKE/state" || echo $s > "$SLURM_FAKE/state"' x "$last" >> "$log" 2>&1 < /dev/null &
echo $! > "$SLURM_FAKE/pid"
echo 7`,
  srun: 'while :; do case "$1" in --*) shift;; *) break;; esac; done; exec "$@"',
  scontrol: `[ -e "$SLURM_FAKE/down" ] && { echo "Unable to contact slurm controller (connect failure)" >&2; exit 1; }
[ -e "$SLURM_FAKE/state" ] || { echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; }
echo "JobId=7 JobName=x JobState=$(cat "$SLURM_FAKE/state") Reason=None ExitCode=0:0"`,
  scancel: `[ -e "$SLURM_FAKE/down" ] && { echo "scancel: error: Unable to contact slurm controller" >&2; exit 1; }
case "$1" in --signal=*) signal=\${1#--signal=};; *) signal=KILL; echo CANCELLED > "$SLURM_FAKE/state";; esac
for pid in $(ps -o pid= -s "$(cat "$SLURM_FAKE/pid")"); do kill -s "$signal" "$pid" 2> /dev/null; done; true`,
};

/** A machine that can submit to a Slurm of one node, or so it seems. */
export interface FakeSlurm {
  /** The variables of a machine that has it. */
  readonly env: Readonly<Record<string, string>>;
  /** The words that sbatch got. */
  options(): Promise<string[]>;
  /** What scontrol would say of the job. */
  state(): Promise<string>;
  /** The controller stops or begins to answer. */
  setDown(isDown: boolean): Promise<void>;
}

/** Puts the commands into a folder. @param folder is made */
export async function fakeSlurm(folder: string): Promise<FakeSlurm> {
  const bin = join(folder, 'bin');
  const known = join(folder, 'known');
  for (const part of [bin, known]) await mkdir(part, { recursive: true });
  for (const [name, text] of Object.entries(COMMANDS)) {
    await writeFile(join(bin, name), `#!/bin/sh\nSLURM_FAKE='${known}'; export SLURM_FAKE\n${text}\n`);
    await chmod(join(bin, name), 0o755);
  }
  return {
    env: { PATH: `${bin}:${process.env.PATH}` },
    options: async () => (await readFile(join(known, 'options'), 'utf8')).trimEnd().split('\n'),
    state: async () => (await readFile(join(known, 'state'), 'utf8')).trim(),
    setDown: (isDown) =>
      isDown ? writeFile(join(known, 'down'), '') : rm(join(known, 'down'), { force: true }),
  };
}
