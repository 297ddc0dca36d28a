/** Chromium, in which the engine tests look at pages as people see them: Debian's, with the fonts that the pages need. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unpacked } from './debian.ts';

/** Starts the unpacked binary with the unpacked libraries and fonts, wherever the folder lies. */
const STARTER = `#!/bin/sh
root=$(cd "$(dirname "$0")/.." && pwd)
for folder in "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu "$root"/usr/lib/*-linux-gnu/pulseaudio; do libraries=$folder:$libraries; done
export LD_LIBRARY_PATH=$libraries XDG_DATA_HOME="$root/usr/share" FONTCONFIG_FILE="$root/fonts.conf"
exec "$root/usr/lib/chromium/chromium" "$@"
`;

/** Letters as wide as those that most people see on GitHub, and emoji in colour. */
const FONTS = `<?xml version="1.0"?>
<fontconfig>
  <dir prefix="xdg">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias binding="same"><family>Arial</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias binding="same"><family>sans-serif</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias binding="same"><family>monospace</family><prefer><family>Liberation Mono</family></prefer></alias>
</fontconfig>
`;

/**
 * Gives the path of a Chromium, fetching it on the first call.
 *
 * @throws when there is no apt-get, or no package of it
 */
export async function chromium(): Promise<string> {
  const packages = ['chromium', 'fonts-liberation', 'fonts-noto-color-emoji'];
  const folder = await unpacked('chromium', packages, async (place) => {
    await mkdir(join(place, 'bin'), { recursive: true });
    await writeFile(join(place, 'bin', 'chromium'), STARTER, { mode: 0o755 });
    await writeFile(join(place, 'fonts.conf'), FONTS);
  });
  return join(folder, 'bin', 'chromium');
}
