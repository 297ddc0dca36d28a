import { isDeepStrictEqual } from 'node:util';
import { textsIn } from '../lib/json.ts';
import { settingName } from '../records/names.ts';
import type { ServerConfig } from '../records/program.ts';
import type { Environment } from '../source/read-environment.ts';
import type { Configuration } from './resolve.ts';
import type { ConfigSchema } from './schema.ts';
import { credentialIn } from './tokens.ts';

/** All that is wrong with a configuration: a sentence each, with its place. No value that may be a secret is shown. */
export function problemsOf(
  file: Environment,
  resolved: Configuration,
  schema: ConfigSchema | undefined,
): string[] {
  const misplaced = misplacedSecrets(file, resolved, schema);
  return [
    ...misplaced.values(),
    ...misnamed(resolved),
    ...(schema ? undeclared(file, resolved, schema, misplaced) : []),
    ...unreachable(file),
  ];
}

/** Secrets where values stand, and values that look like secrets: a sentence for each key, without the value. */
function misplacedSecrets(
  { value: { secrets } }: Environment,
  resolved: Configuration,
  schema: ConfigSchema | undefined,
): ReadonlyMap<string, string> {
  const problems = new Map<string, string>();
  const names = new Set(secrets.map(({ name }) => name));
  for (const [key, { value, origin }] of resolved) {
    const [credential] = textsIn(value).flatMap((text) => credentialIn(text) ?? []);
    if (schema?.isSecret(key) || names.has(key)) {
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

/** Keys that no reader of a release takes: the schema's own, since those of files were checked when these were read. */
function misnamed(resolved: Configuration): string[] {
  return [...resolved].flatMap(([key, { origin }]) => {
    const why = settingName.safeParse(key).error?.issues[0]?.message;
    return why === undefined
      ? []
      : [`${origin}: ${key}, which the server's schema declares, needs another name: ${why}`];
  });
}

/** Stands for a secret's value, which nobody knows here, so that a schema can tell whether the secret is there. */
const PLACEHOLDER = 'a secret';

/** What the schema does not allow. Of a key that is in `told`, the value is never shown. */
function undeclared(
  file: Environment,
  resolved: Configuration,
  schema: ConfigSchema,
  told: ReadonlyMap<string, string>,
): string[] {
  const { secrets } = file.value;
  const listed = secrets.map(({ name }) => name).filter((name) => Object.hasOwn(schema.declared, name));
  const hidden = new Set([...listed, ...[...resolved.keys()].filter((key) => schema.isSecret(key))]);
  const values = Object.fromEntries([
    ...[...resolved].map(([key, { value }]) => [key, value] as const),
    ...[...hidden].map((key) => [key, PLACEHOLDER] as const),
  ]);
  const declared = Object.keys(schema.declared).filter((key) => !schema.isSecret(key));
  const others = `; declared are ${declared.join(', ') || 'none'}`;
  const mistakes = schema
    .validate(values)
    .filter(({ key }) => !told.has(key) && !hidden.has(key))
    .map(({ key, message }) => {
      if (schema.isSecret(key))
        return `${file.place(['secrets'])}: the server needs the secret ${key}; list it under secrets`;
      const found = resolved.get(key);
      const what = found === undefined ? '' : ` (found ${JSON.stringify(found.value)})`;
      const known = key === '' || declared.includes(key);
      return `${found?.origin ?? file.place(['config'])}: ${key || 'config'} ${message}${what}${known ? '' : others}`;
    });
  const unknown = secrets.flatMap(({ name }, i) =>
    schema.closed && !schema.isSecret(name)
      ? [`${file.place(['secrets', i])}: ${name} is not a secret that the server declares (writeOnly)`]
      : [],
  );
  return [...new Set([...mistakes, ...unknown])];
}

/** A server that does not run where the environment says; what a pod needs is told with its manifests. */
export function unservable(
  { value: { target }, place }: Environment,
  { environment }: ServerConfig,
): string[] {
  return target.kind !== 'process' || environment !== undefined
    ? []
    : [
        `${place(['target', 'kind'])}: a machine runs a Python environment, and the server of the package has a container image alone; give server.python in trainyard.yml, too, and package again`,
      ];
}

/** Secrets in a place that the target does not reach, and those that are named twice in different ways. */
function unreachable({ value: { target, secrets }, place }: Environment): string[] {
  return secrets.flatMap(({ name, reference }, i) => {
    const first = secrets.find((one) => one.name === name);
    const problems = [
      isDeepStrictEqual(first?.reference, reference)
        ? undefined
        : `the secret ${name} is named twice, in different ways`,
      reference === undefined || target.kind === 'kubernetes'
        ? undefined
        : `the secret ${name} is kept by a cluster (secretKeyRef), and the target is of the kind ${target.kind}; write its name alone, and give the value to the deploy step`,
    ];
    return problems.flatMap((problem) =>
      problem === undefined ? [] : [`${place(['secrets', i])}: ${problem}`],
    );
  });
}
