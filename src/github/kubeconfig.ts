import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { UserError } from '../lib/errors.ts';
import { isTooDeep } from '../lib/yaml-depth.ts';
import type { Job } from './action.ts';

/** A kubeconfig as text, for a runner that keeps none. */
const TEXT = 'TRAINYARD_KUBECONFIG';

const kubeconfig = z.object({ clusters: z.array(z.unknown()).min(1) });

/**
 * The job's environment, in which KUBECONFIG names a file with what TRAINYARD_KUBECONFIG holds. Only the runner's user can read it,
 * and it goes with the action's other scratch folders, when the step ends. The same environment where that is not set.
 * @throws UserError when it is no kubeconfig; the text itself is never told
 */
export async function withKubeconfig({ env, scratch }: Pick<Job, 'env' | 'scratch'>): Promise<Job['env']> {
  const { [TEXT]: text = '', ...rest } = env;
  if (text === '') return env;
  if (!isKubeconfig(text))
    throw new UserError(
      `${TEXT} is no kubeconfig: it has no clusters. Give the secret the text of the file as it stands, such as that of "kubectl config view --raw --minify", and not in base64`,
    );
  const file = join(await scratch(), 'kubeconfig');
  await writeFile(file, text, { mode: 0o600, flag: 'wx' });
  return { ...rest, KUBECONFIG: file };
}

function isKubeconfig(text: string): boolean {
  if (isTooDeep(text)) return false;
  try {
    return kubeconfig.safeParse(parse(text, { maxAliasCount: 20, prettyErrors: false })).success;
  } catch {
    return false;
  }
}
