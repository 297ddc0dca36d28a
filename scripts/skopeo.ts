/** skopeo: the one on PATH, or Debian's. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { unpacked } from './debian.ts';

/** Starts the unpacked binary with the unpacked libraries, wherever the folder lies. */
const STARTER = `#!/bin/sh
root=$(dirname "$0")/..
for folder in "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu; do libraries=$folder:$libraries; done
LD_LIBRARY_PATH=$libraries exec "$root/usr/bin/skopeo" "$@"
`;

/**
 * Gives the path of skopeo, fetching it on the first call where the machine has none.
 *
 * @throws when there is neither skopeo nor apt-get, or no package of it
 */
export async function skopeo(): Promise<string> {
  const own = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'skopeo'));
  const installed = own.find((path) => existsSync(path));
  if (installed !== undefined) return installed;
  const folder = await unpacked('skopeo', ['skopeo'], async (place) => {
    await mkdir(join(place, 'bin'), { recursive: true });
    await writeFile(join(place, 'bin', 'skopeo'), STARTER, { mode: 0o755 });
  });
  return join(folder, 'bin', 'skopeo');
}
