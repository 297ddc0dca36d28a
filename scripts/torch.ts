/**
 * PyTorch for CPUs: Debian's, because the wheels of PyPI are for CUDA and take gigabytes. It is 1.13, and needs a Python of the
 * distribution's minor version.
 */
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unpacked } from './debian.ts';

/** Where it does not know Python 3.11, which Debian has; the releases after it say the same. */
const PATCHES = [
  // A flag that is zero is no member that a loop gives any more, and torchrun's default is one.
  ['distributed/elastic/multiprocessing/api.py', 'for s in Std:', 'for s in Std.__members__.values():'],
  [
    'distributed/_shard/sharded_tensor/metadata.py',
    'field(default=TensorProperties())',
    'field(default_factory=TensorProperties)',
  ],
] as const;

/** The variables by which any Python of that version finds it. numpy (below 2) is the caller's. */
export interface Torch {
  readonly PYTHONPATH: string;
  readonly LD_LIBRARY_PATH: string;
}

/** Gives the variables, and fetches it on the first call (150 MB). @throws when there is no apt-get, or no such package */
export async function torch(): Promise<Torch> {
  const folder = await unpacked('torch', ['python3-torch'], finish);
  const triple = (await readdir(join(folder, 'usr/lib'))).find((name) => name.endsWith('-linux-gnu')) ?? '';
  const libraries = [`usr/lib/${triple}`, `usr/lib/${triple}/blas`, `usr/lib/${triple}/lapack`, 'usr/lib'];
  return {
    PYTHONPATH: join(folder, 'python'),
    LD_LIBRARY_PATH: [...libraries, `lib/${triple}`].map((path) => join(folder, path)).join(':'),
  };
}

/** A folder of its own: the others that came along would come before those of an environment. */
async function finish(folder: string): Promise<void> {
  const packages = 'usr/lib/python3/dist-packages';
  for (const [file, from, to] of PATCHES) {
    const path = join(folder, packages, 'torch', file);
    await writeFile(path, (await readFile(path, 'utf8')).replace(from, to));
  }
  await mkdir(join(folder, 'python'));
  for (const name of await readdir(join(folder, packages)))
    if (/^(torch|torchgen|functorch)(-|$)/.test(name))
      await symlink(join('..', packages, name), join(folder, 'python', name));
}
