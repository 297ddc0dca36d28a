import type { JsonObject } from '../lib/json.ts';
import { isNear } from '../lib/near.ts';
import type { Environment } from '../source/read-environment.ts';
import type { Configuration } from './resolve.ts';
import type { ConfigSchema } from './schema.ts';

/** What is no mistake, and yet worth a look. */
export interface Notes {
  /** Likely not meant: a variable whose name is nearly that of a key, a key that the server does not declare. */
  readonly warnings: readonly string[];
  /** Values that have no effect here, and keys without any. */
  readonly unused: readonly string[];
}

/** Says what has no effect, and what is not declared; of a variable that may be a secret, never its value. */
export function notesOf(
  file: Environment,
  vars: JsonObject,
  resolved: Configuration,
  schema: ConfigSchema | undefined,
): Notes {
  const { config, secrets, probe = {} } = file.value;
  const overlaid = Object.keys(config)
    .filter((key) => resolved.get(key)?.origin === `vars.${key}`)
    .map((key) => ({ what: `config.${key}`, place: file.place(['config', key]), by: `vars.${key}` }));
  const hasEffect = probe.window !== undefined || probe.watch !== undefined;
  const idle = Object.keys(probe).filter(() => !hasEffect);
  const open = Object.keys(config).filter((key) => schema && !Object.hasOwn(schema.declared, key));
  const names = new Set(secrets.map(({ name }) => name));
  return {
    warnings: [
      ...idle.map(
        (key) =>
          `${file.place(['probe', key])}: probe.${key} has no effect without probe.window or probe.watch`,
      ),
      ...open.map(
        (key) =>
          `${file.place(['config', key])}: ${key} is not declared by the server's schema; the server gets it all the same`,
      ),
      ...Object.keys(vars).flatMap((key) => oddVariable(key, config, schema)),
    ],
    unused: [
      ...[...file.overlaid, ...overlaid].map(
        ({ what, place, by }) => `${place}: ${what} is not used: ${by} lies over it`,
      ),
      ...Object.keys(schema?.declared ?? {})
        .filter((key) => !resolved.has(key) && !names.has(key))
        .map((key) => `${key} is declared by the server, and has no value here`),
    ],
  };
}

function oddVariable(key: string, config: JsonObject, schema: ConfigSchema | undefined): string[] {
  if (schema === undefined)
    return Object.hasOwn(config, key)
      ? [
          `vars.${key} is not used: without a schema (server.config in trainyard.yml) no variable is laid over config`,
        ]
      : [];
  if (schema.isSecret(key))
    return [
      `vars.${key} is not used: ${key} is a secret, and everyone who may read the repository's settings can read a variable. Remove it, and keep the value as a secret`,
    ];
  if (Object.hasOwn(schema.declared, key)) return [];
  const meant = Object.keys(schema.declared).find((declared) => isNear(key, declared));
  return meant === undefined
    ? []
    : [`vars.${key} is not used: the server declares no such key. Is ${meant} meant?`];
}
