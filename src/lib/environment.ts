import { delimiter } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a user's program may see of the machine. Proxies are written in both cases, by different tools. */
const PROGRAM =
  /^(PATH|HOME|LANG|LC_[A-Z]+|TZ|TMPDIR|CUDA_\w+|NCCL_\w+|NVIDIA_VISIBLE_DEVICES|(?:http|https|no|all)_proxy|(?:HTTP|HTTPS|NO|ALL)_PROXY)$/;

/** What package tools need besides: where the machine's index is, how it is trusted, where they keep downloads. */
const TOOL =
  /^(PIP_\w+|UV_(?:\w*INDEX\w*|FIND_LINKS|CACHE_DIR|CONFIG_FILE|OFFLINE|INSECURE_HOST|KEYRING_PROVIDER|HTTP_TIMEOUT|LINK_MODE|NATIVE_TLS|SYSTEM_CERTS)|SSL_CERT_(?:FILE|DIR)|REQUESTS_CA_BUNDLE|XDG_CACHE_HOME|XDG_CONFIG_HOME|SYSTEMROOT)$/;

/** Names that belong to the job or to Trainyard, and that no program is given by name. */
export function isReserved(name: string): boolean {
  return /^(ACTIONS|GITHUB|INPUT|RUNNER|STATE|TRAINYARD)_/.test(name);
}

/**
 * The environment of a user's program: what the allow-list takes of the machine's, and the names that the program declares.
 * Nothing of the job: no INPUT_*, ACTIONS_*, GITHUB_* or RUNNER_*.
 */
export function programEnvironment(
  machine: Environment,
  declared: readonly string[],
): Record<string, string> {
  return pick(machine, (name) => PROGRAM.test(name) || (declared.includes(name) && !isReserved(name)));
}

/** The environment of a package tool (uv, pip). */
export function toolEnvironment(machine: Environment): Record<string, string> {
  return { ...pick(machine, (name) => PROGRAM.test(name) || TOOL.test(name)), NO_COLOR: '1' };
}

/**
 * The environment of a tool that fetches for a program with the credentials of the machine: all of its variables but those that
 * belong to the job.
 */
export function machineEnvironment(machine: Environment): Record<string, string> {
  return pick(machine, (name) => !isReserved(name));
}

/** A search path with a folder before all others. */
export function pathWith(folder: string, path: string | undefined): string {
  return path === undefined || path === '' ? folder : `${folder}${delimiter}${path}`;
}

/** The variables whose names are allowed. */
export function pick(env: Environment, allowed: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && allowed(entry[0]),
    ),
  );
}
