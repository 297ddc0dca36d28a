/** Slurm: Debian's packages, unpacked; a machine's own is never used, because tests start a cluster of their own. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unpacked } from './debian.ts';

/** A program with the libraries that came with it; what it starts has them, too. */
const starter = (program: string): string => `#!/bin/sh
root=$(dirname "$0")/..
for folder in "$root"/usr/lib/*-linux-gnu; do libraries=$folder:$folder/slurm-wlm:$libraries; done
LD_LIBRARY_PATH=$libraries$LD_LIBRARY_PATH exec "$root/${program}" "$@"
`;

/** Where the parts of Slurm are. */
export interface Slurm {
  /** `sbatch`, `srun`, `scancel`, …, and the daemons `slurmctld`, `slurmd`, `munged`. */
  readonly bin: string;
  readonly plugins: string;
  readonly slurmstepd: string;
}

/** Gives Slurm, fetching it on the first call (4 MB). @throws when there is no apt-get, or no such package */
export async function slurm(): Promise<Slurm> {
  const folder = await unpacked('slurm', ['slurmctld', 'slurmd', 'slurm-client', 'munge'], finish);
  const triple = (await readdir(join(folder, 'usr/lib'))).find((name) => name.endsWith('-linux-gnu')) ?? '';
  const plugins = join(folder, 'usr/lib', triple, 'slurm-wlm');
  return { bin: join(folder, 'bin'), plugins, slurmstepd: join(folder, 'bin/slurmstepd') };
}

async function finish(folder: string): Promise<void> {
  await mkdir(join(folder, 'bin'));
  for (const part of ['usr/bin', 'usr/sbin'])
    for (const name of await readdir(join(folder, part)))
      await writeFile(join(folder, 'bin', name.replace(/-wlm$/, '')), starter(`${part}/${name}`), {
        mode: 0o755,
      });
}
