import type { ErrorObject } from 'ajv/dist/2020.js';
import { z } from 'zod';
import { UserError } from '../lib/errors.ts';
import { isRounded, type Json, type JsonObject, json, tryJson } from '../lib/json.ts';
import { buriedIn, rootOf } from './schema-root.ts';
import { compileObject } from './validator.ts';
import { isWriteOnly } from './write-only.ts';

/** What of a property matters here; any JSON Schema may stand there, a boolean included. */
const property = z
  .union([z.boolean(), z.looseObject({})])
  .transform((schema) => (typeof schema !== 'boolean' ? schema : schema ? {} : { not: {} }))
  .pipe(
    z.looseObject({
      type: json.optional(),
      writeOnly: z.boolean().optional(),
      default: json.optional(),
    }),
  );
const objectSchema = z.looseObject({
  properties: z.record(z.string(), property).default({}),
  additionalProperties: json.optional(),
});

/** A server's configuration schema: what it declares, with the secrets apart. */
export interface ConfigSchema {
  readonly declared: Readonly<Record<string, z.infer<typeof property>>>;
  /** Whether keys that are not declared are refused. */
  readonly closed: boolean;
  isSecret(key: string): boolean;
  /** The mistakes of a configuration, each with its key. Any value may stand for a secret. */
  validate(config: JsonObject): readonly { readonly key: string; readonly message: string }[];
  /**
   * A text, as GitHub's variables are, as a value of a key: the text itself where the key's schema takes it, else what it says as JSON. Where
   * neither fits, a mistake is told of the one that is nearer to its `type`.
   */
  coerce(key: string, text: string): Json;
}

/**
 * Reads a JSON Schema (2020-12) of an object. A property with `writeOnly: true` is a secret.
 * @throws UserError when it is no usable schema
 */
export function readConfigSchema(schema: JsonObject): ConfigSchema {
  const what = 'the configuration schema in the package (server.config) cannot be used';
  try {
    const root = rootOf(schema);
    // What only such a part declares would be nobody's: no secret, no variable, no default.
    const [buried] = buriedIn(root);
    if (buried !== undefined)
      throw new UserError(
        `${what}: ${buried} stands in a part of it; declare it under properties at the top, too`,
      );
    return read(root);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError(`${what}: it must be a JSON Schema of an object`, { cause });
  }
}

function read(schema: JsonObject): ConfigSchema {
  const parsed = objectSchema.parse(schema);
  const all = Object.entries(parsed.properties);
  const secrets = new Set(all.filter(([, one]) => isWriteOnly(one, schema)).map(([key]) => key));
  // What is secret is not known here: whatever stands for it is allowed.
  const checked = all.map(([key, one]) => [key, secrets.has(key) ? {} : one] as const);
  const { errorsOf, takes } = compileObject(schema, Object.fromEntries(checked));
  return {
    declared: parsed.properties,
    closed: parsed.additionalProperties === false,
    isSecret: (key) => secrets.has(key),
    validate: (config) => errorsOf(config).map(describe),
    coerce: (key, text) => {
      const value = jsonOf(text);
      if (value === undefined || takes(key, text)) return text;
      return takes(key, value) || !mayBeText(parsed.properties[key]?.type) ? value : text;
    },
  };
}

function describe({ keyword, params, instancePath, message = 'is not allowed' }: ErrorObject): {
  key: string;
  message: string;
} {
  const parameters = z.record(z.string(), json).parse(params);
  const key = instancePath.split('/')[1] ?? '';
  if (instancePath === '' && keyword === 'required')
    return { key: String(parameters.missingProperty), message: 'is required and has no value' };
  if (instancePath === '' && keyword === 'dependentRequired')
    return {
      key: String(parameters.missingProperty),
      message: `is required beside ${parameters.property} and has no value`,
    };
  if (instancePath === '' && keyword === 'additionalProperties')
    return { key: String(parameters.additionalProperty), message: 'is not declared by the server' };
  const allowed = keyword === 'enum' ? `: ${JSON.stringify(parameters.allowedValues)}` : '';
  return { key, message: `${message}${allowed}` };
}

/** What a text says as JSON; undefined when it is none, or a whole number that would become another one. */
function jsonOf(text: string): Json | undefined {
  const value = json.safeParse(tryJson(text)).data;
  return typeof value === 'number' && isRounded(text, value) ? undefined : value;
}

/** Whether a text is of the type that a property says. Without one it is. */
function mayBeText(type: Json = 'string'): boolean {
  return [type].flat().includes('string');
}
