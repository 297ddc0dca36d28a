import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { machineEnvironment } from '../lib/environment.ts';
import { MachineError, messageOf, UserError } from '../lib/errors.ts';
import { CommandError, run } from '../lib/process.ts';
import type { DataReference } from '../records/program.ts';
import type { DataPlace } from './open.ts';

type Reference = Extract<DataReference, { dvc: string }>;

/**
 * Has the machine's own `dvc` fetch a data set into a cache, in a repository of DVC that has nothing else in it; with the
 * credentials of the machine, and nothing of the project's.
 * @param folder where that cache is, laid out as DVC does; what is there already is not fetched again
 * @throws UserError when there is no dvc, MachineError when it fails
 */
export async function dvcFetch(
  name: string,
  { md5, out, remote }: Reference & { readonly remote: NonNullable<Reference['remote']> },
  folder: string,
  { env, log, signal }: DataPlace,
): Promise<void> {
  const home = join(folder, 'repository');
  await mkdir(join(home, '.dvc'), { recursive: true });
  const options = Object.entries(remote.options).map(([key, value]) => `${key} = ${quoted(value)}`);
  const config = [
    ...['[core]', 'analytics = false', 'no_scm = true', `remote = ${quoted(remote.name)}`],
    ...['[cache]', `dir = ${quoted(folder)}`],
    ...[`['remote "${remote.name}"']`, ...options],
  ];
  await writeFile(join(home, '.dvc', 'config'), `${config.join('\n')}\n`);
  await writeFile(join(home, 'data.dvc'), JSON.stringify({ outs: [{ md5, hash: 'md5', path: 'data' }] }));
  log.info(`data ${name}: dvc fetches ${out} from ${remote.options.url ?? remote.name}`);
  try {
    await run(['dvc', 'fetch', '--quiet', 'data.dvc'], {
      cwd: home,
      env: { ...machineEnvironment(env), DVC_NO_ANALYTICS: '1' },
      signal,
    });
  } catch (error) {
    if (error instanceof CommandError)
      throw new MachineError(
        `data ${name}: ${messageOf(error)}; the remote ${remote.name} is read with the credentials of the runner machine (dvc remote modify --global ${remote.name} …)`,
        { cause: error },
      );
    if (!(error instanceof MachineError)) throw error;
    throw new UserError(
      `data ${name}: the remote ${remote.options.url} takes dvc, and this machine has none on the runner's PATH; install it with what the remote needs, such as pip install "dvc[s3]", or set TRAINYARD_DVC to a folder that has the data`,
      { cause: error },
    );
  }
}

/** A value as DVC's configuration reads it. */
function quoted(value: string): string {
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}
