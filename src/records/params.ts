import { userErrors } from '../lib/errors.ts';
import type { Json, JsonObject } from '../lib/json.ts';

/**
 * Lays overrides over declared parameters.
 * @param place where the overrides were given, for errors
 * @throws UserError naming every override that is not declared or has another type
 */
export function resolveParams(declared: JsonObject, overrides: JsonObject, place: string): JsonObject {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(overrides)) {
    const standard = declared[name];
    if (!Object.hasOwn(declared, name) || standard === undefined) {
      problems.push(
        `${JSON.stringify(name)} is not a parameter; declared are: ${Object.keys(declared).join(', ') || 'none'}`,
      );
    } else if (standard !== null && typeOf(standard) !== typeOf(value)) {
      problems.push(
        `${name} is ${JSON.stringify(value)} (${typeOf(value)}), but the default ${JSON.stringify(standard)} is ${typeOf(standard) === 'object' ? 'an' : 'a'} ${typeOf(standard)}`,
      );
    }
  }
  if (problems.length > 0) throw userErrors(`${place} cannot be used`, problems);
  return { ...declared, ...overrides };
}

function typeOf(value: Json): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'list' : typeof value;
}
