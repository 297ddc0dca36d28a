import { isDeepStrictEqual } from 'node:util';
import { userErrors } from '../lib/errors.ts';
import type { Json, JsonObject } from '../lib/json.ts';
import type { EnvironmentFile } from '../source/environment.ts';
import type { YamlFile } from '../source/yaml.ts';
import { type ConfigSchema, coerce } from './schema.ts';
import { credentialIn } from './tokens.ts';

/** A configuration value and where it came from: a file's place, `vars.NAME`, or the schema's default. */
export interface Resolved {
  readonly value: Json;
  readonly origin: string;
}

/**
 * Resolves an environment's configuration: the schema's defaults, under the file's values, under GitHub's variables of a
 * declared name. Without a schema the file's values stand as they are.
 * @throws UserError with every mistake, each with its place
 */
export function resolveConfig(
  file: YamlFile<EnvironmentFile>,
  vars: JsonObject,
  schema: ConfigSchema | undefined,
): ReadonlyMap<string, Resolved> {
  const { config, secrets } = file.value;
  const resolved = new Map<string, Resolved>();
  for (const [key, { default: value }] of Object.entries(schema?.declared ?? {})) {
    if (value !== undefined && !schema?.isSecret(key)) resolved.set(key, { value, origin: 'default' });
  }
  for (const [key, value] of Object.entries(config))
    resolved.set(key, { value, origin: file.place(['config', key]) });
  for (const [key, { type }] of Object.entries(schema?.declared ?? {})) {
    const value = vars[key];
    if (value === undefined || !Object.hasOwn(vars, key) || schema?.isSecret(key)) continue;
    resolved.set(key, {
      value: typeof value === 'string' ? coerce(value, type) : value,
      origin: `vars.${key}`,
    });
  }
  const misplaced = misplacedSecrets(file, resolved, schema);
  const problems = [
    ...misplaced.values(),
    ...(schema ? undeclared(file, resolved, schema, misplaced) : []),
    ...unreachable(file),
  ];
  if (problems.length > 0) throw userErrors('the configuration cannot be released', problems);
  if (secrets.some(({ name }) => resolved.has(name))) throw new Error('a secret is among the configuration');
  return resolved;
}

/** Secrets where values stand, and values that look like secrets: a sentence for each key, without the value. */
function misplacedSecrets(
  file: YamlFile<EnvironmentFile>,
  resolved: ReadonlyMap<string, Resolved>,
  schema: ConfigSchema | undefined,
): ReadonlyMap<string, string> {
  const problems = new Map<string, string>();
  for (const [key, { value, origin }] of resolved) {
    const credential = credentialIn(JSON.stringify(value));
    if (schema?.isSecret(key) || file.value.secrets.some(({ name }) => name === key)) {
      problems.set(
        key,
        `${origin}: ${key} is a secret; take its value out of config, and list its name under secrets`,
      );
    } else if (credential !== undefined) {
      problems.set(
        key,
        `${origin}: ${key} has the form of ${credential}. Withdraw it, list the name under secrets, and give the value to the deploy step`,
      );
    }
  }
  return problems;
}

/** What the schema does not allow. Of a key that is in `told`, the value is never shown. */
function undeclared(
  file: YamlFile<EnvironmentFile>,
  resolved: ReadonlyMap<string, Resolved>,
  schema: ConfigSchema,
  told: ReadonlyMap<string, string>,
): string[] {
  const values = Object.fromEntries(
    [...resolved].filter(([key]) => !schema.isSecret(key)).map(([key, { value }]) => [key, value]),
  );
  const declared = Object.keys(schema.declared).filter((key) => !schema.isSecret(key));
  const others = `; declared are ${declared.join(', ') || 'none'}`;
  const mistakes = schema
    .validate(values)
    .filter(({ key }) => !told.has(key))
    .map(({ key, message }) => {
      const found = resolved.get(key);
      const what = found === undefined ? '' : ` (found ${JSON.stringify(found.value)})`;
      return `${found?.origin ?? file.place(['config'])}: ${key} ${message}${what}${declared.includes(key) ? '' : others}`;
    });
  const missing = schema.requiredSecrets
    .filter((needed) => !file.value.secrets.some(({ name }) => name === needed))
    .map((name) => `${file.place(['secrets'])}: the server needs the secret ${name}; list it under secrets`);
  const unknown = file.value.secrets.flatMap(({ name }, i) =>
    schema.closed && !schema.isSecret(name)
      ? [`${file.place(['secrets', i])}: ${name} is not a secret that the server declares (writeOnly)`]
      : [],
  );
  return [...mistakes, ...missing, ...unknown];
}

/** Secrets in a place that the target does not reach, and those that are named twice in different ways. */
function unreachable({ value: { target, secrets }, place }: YamlFile<EnvironmentFile>): string[] {
  return secrets.flatMap(({ name, reference }, i) => {
    const where = place(['secrets', i]);
    const other = secrets.find((one) => one.name === name && !isDeepStrictEqual(one.reference, reference));
    const twice =
      other === undefined ? [] : [`${where}: the secret ${name} is named twice, in different ways`];
    return reference === undefined || target.kind !== 'process'
      ? twice
      : [
          ...twice,
          `${where}: the secret ${name} is kept by a cluster (secretKeyRef), and the target is of the kind process; write its name alone, and give the value to the deploy step`,
        ];
  });
}
