import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Json, JsonObject } from '../lib/json.ts';

/** Keywords that say nothing of what is allowed. */
const WORDS = new Set(['title', 'description', 'default', 'examples', 'deprecated', '$comment']);
/** What refers to another place of the whole, or is one. */
const REFERENCE = /"\$(ref|dynamicRef|id|anchor|dynamicAnchor)":/;
/** A reference to anything but shared definitions: it may mean a property, or the whole. */
const WIDE = /"\$(ref":"(?!#\/(\$defs|definitions)\/)|dynamicRef"|id"|anchor"|dynamicAnchor")/;

/** Checks objects by a schema. */
export interface ObjectValidator {
  errorsOf(value: JsonObject): ErrorObject[];
  /** Whether a value is allowed for a property, whatever the others are. */
  takes(key: string, value: Json): boolean;
}

/**
 * Compiles the schema of an object. The schema of a property that refers to nothing is compiled by itself, once for all that are alike:
 * that of hundreds of settings in one piece takes a second.
 * @throws what ajv throws for a schema that is none
 */
export function compileObject(
  schema: JsonObject,
  properties: Readonly<Record<string, object>>,
): ObjectValidator {
  const { $id: _, ...inside } = schema;
  const isWide = WIDE.test(JSON.stringify(inside));
  // Its code runs once, and what a keyword's value may be is checked when the code is made, too. The schema of schemas is there for a
  // reference to it alone.
  const quick = { meta: isWide, validateSchema: false, code: { optimize: false } };
  const ajv = new Ajv2020({ allErrors: true, strict: false, ...quick });
  formats.default(ajv);
  const alike = new Map<string, ValidateFunction>();
  const own = new Map<string, ValidateFunction>();
  const rest: Record<string, object | boolean> = {};
  for (const [key, property] of Object.entries(properties)) {
    const bare = Object.fromEntries(Object.entries(property).filter(([word]) => !WORDS.has(word)));
    const text = JSON.stringify(bare);
    if (isWide || REFERENCE.test(text)) rest[key] = property;
    else {
      const compiled = alike.get(text) ?? ajv.compile(bare);
      alike.set(text, compiled);
      own.set(key, compiled);
      rest[key] = true;
    }
  }
  const whole = ajv.compile({ ...schema, properties: rest });
  const errorsOf = (value: JsonObject): ErrorObject[] => {
    const errors = whole(value) ? [] : [...(whole.errors ?? [])];
    for (const [key, validate] of own)
      if (Object.hasOwn(value, key) && !validate(value[key]))
        errors.push(
          ...(validate.errors ?? []).map((error) => ({
            ...error,
            instancePath: `/${key}${error.instancePath}`,
          })),
        );
    return errors;
  };
  return {
    errorsOf,
    takes: (key, value) =>
      own.get(key)?.(value) ??
      errorsOf({ [key]: value }).every(({ instancePath }) => instancePath.split('/')[1] !== key),
  };
}
