import type { JsonObject } from '../lib/json.ts';

/**
 * Whether a property's schema makes it a secret: by `writeOnly: true` in it, in what it refers to in the whole schema, or in one of the forms
 * that it may take. Other tools write a secret that may be absent as `anyOf`.
 */
export function isWriteOnly(property: unknown, whole: JsonObject, seen = new Set<unknown>()): boolean {
  if (seen.has(property)) return false;
  seen.add(property);
  return entriesOf(property).some(([word, value]) => {
    switch (word) {
      case 'writeOnly':
        return value === true;
      case '$ref':
        return isWriteOnly(referred(value, whole), whole, seen);
      case 'allOf':
      case 'anyOf':
      case 'oneOf':
        return entriesOf(value).some(([, form]) => isWriteOnly(form, whole, seen));
      default:
        return false;
    }
  });
}

/** What a reference into the schema itself means; undefined for any other. @throws URIError for one that is none */
export function referred(reference: unknown, whole: JsonObject): unknown {
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return undefined;
  const names = decodeURIComponent(reference.slice(2)).split('/');
  return names
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((inside, name) => entriesOf(inside).find(([key]) => key === name)?.[1], whole);
}

function entriesOf(value: unknown): readonly [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
