import type { JsonObject } from '../lib/json.ts';
import { referred } from './write-only.ts';

/** What may stand beside the reference of a root that is nothing else, as generators write it. */
const BESIDE = ['$ref', '$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description'];
/** By these a part of a schema counts for the whole object. */
const PARTS = ['allOf', 'anyOf', 'oneOf', 'if', 'then', 'else', 'dependentSchemas', '$ref'];

/** The schema of an object, with what it refers to in its place where it is a reference alone. @throws URIError for a reference that is none */
export function rootOf(schema: JsonObject, seen: readonly unknown[] = []): JsonObject {
  const { $ref, ...beside } = schema;
  if ($ref === undefined || seen.includes($ref) || Object.keys(schema).some((word) => !BESIDE.includes(word)))
    return schema;
  const named = referred($ref, schema);
  return isObject(named) ? rootOf({ ...beside, ...named }, [...seen, $ref]) : schema;
}

/** The properties that only parts of a schema declare, and not its top. @throws URIError for a reference that is none */
export function buriedIn(schema: JsonObject): string[] {
  const declared = isObject(schema.properties) ? schema.properties : {};
  const names = partsOf(schema, schema, new Set()).flatMap(({ properties }) =>
    isObject(properties) ? Object.keys(properties) : [],
  );
  return [...new Set(names)].filter((name) => !Object.hasOwn(declared, name));
}

function partsOf(schema: JsonObject, whole: JsonObject, seen: Set<unknown>): JsonObject[] {
  return PARTS.flatMap((word) => {
    const part = word === '$ref' ? referred(schema.$ref, whole) : schema[word];
    const forms = Array.isArray(part) || word === 'dependentSchemas' ? Object.values(part ?? {}) : [part];
    return forms.filter(isObject).flatMap((form) => {
      if (seen.has(form)) return [];
      seen.add(form);
      return [form, ...partsOf(form, whole, seen)];
    });
  });
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
