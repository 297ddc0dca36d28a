import type { Json, JsonObject } from '../lib/json.ts';
import type { Environment } from '../source/read-environment.ts';
import type { ConfigSchema } from './schema.ts';

/** A configuration value and where it came from: a file's place, `vars.NAME`, or the schema's default. */
export interface Resolved {
  readonly value: Json;
  readonly origin: string;
}
export type Configuration = ReadonlyMap<string, Resolved>;

/**
 * Resolves an environment's configuration: the schema's defaults, but no secret's, under the files' values, under GitHub's
 * variables of a declared name. Without a schema the files' values stand as they are. What is wrong with the result,
 * `problemsOf` says.
 */
export function resolveConfig(
  file: Environment,
  vars: JsonObject,
  schema: ConfigSchema | undefined,
): Configuration {
  const resolved = new Map<string, Resolved>();
  const declared = Object.entries(schema?.declared ?? {});
  const listed = new Set(file.value.secrets.map(({ name }) => name));
  for (const [key, { default: value }] of declared) {
    if (value !== undefined && !schema?.isSecret(key) && !listed.has(key))
      resolved.set(key, { value, origin: 'default' });
  }
  for (const [key, value] of Object.entries(file.value.config))
    resolved.set(key, { value, origin: file.place(['config', key]) });
  for (const [key] of declared) {
    const value = vars[key];
    if (value === undefined || !Object.hasOwn(vars, key) || schema?.isSecret(key) !== false) continue;
    resolved.set(key, {
      value: typeof value === 'string' ? schema.coerce(key, value) : value,
      origin: `vars.${key}`,
    });
  }
  return resolved;
}
