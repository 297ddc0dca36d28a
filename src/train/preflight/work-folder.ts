import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Finding } from './finding.ts';

/** So many are named. */
const MOST = 5;

/**
 * Looks at the folder in which a runner's jobs work: a training checks nothing out, so what is there was left by an earlier job, or put
 * there for this one to use.
 * @param folder the job's workspace; undefined outside a job
 * @param isStrict whether even a checkout is refused
 */
export async function lookAtWorkFolder(folder: string | undefined, isStrict: boolean): Promise<Finding[]> {
  if (folder === undefined) return [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  if (entries.length === 0) return [{ what: 'work folder', found: 'empty', verdict: 'ok' }];
  const name = (entry: Dirent): string => (entry.isSymbolicLink() ? `${entry.name} (a link)` : entry.name);
  const links = entries.filter((entry) => entry.isSymbolicLink()).map(name);
  const named = entries.slice(0, MOST).map(name).join(', ');
  const more = entries.length > MOST ? ` and ${entries.length - MOST} more` : '';
  if (!isStrict && entries.some((entry) => entry.name === '.git'))
    return [
      {
        what: 'work folder',
        found: `a checkout in ${folder}, of this job or of an earlier one${links.length === 0 ? '' : `, with ${links.join(', ')}`}`,
        verdict: 'warning',
        fix: 'the training does not use it',
      },
    ];
  return [
    {
      what: 'work folder',
      found: `${named}${more} in ${folder}, left by an earlier job`,
      verdict: 'refused',
      fix: 'remove them, find out who left them, and use a runner for a single job (see docs/runners.md)',
    },
  ];
}
