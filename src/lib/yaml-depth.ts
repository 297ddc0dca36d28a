import { Parser } from 'yaml';

/** Levels of nesting that a person's file may have. */
export const DEEPEST = 50;

/** What the parser finds of a node's inside, as far as depth goes. */
interface Token {
  readonly value?: unknown;
  readonly items?: readonly { readonly key?: unknown; readonly value?: unknown }[];
}

/**
 * Whether a YAML text nests deeper than a file of a person's needs. Asked before it is composed: that recurses, and a text of a few
 * thousand brackets ends the whole process by it.
 */
export function isTooDeep(text: string): boolean {
  if (deepestPossible(text) <= DEEPEST) return false;
  const open: (readonly [token: Token, depth: number])[] = [];
  const enter = (inside: unknown, depth: number): void => {
    if (typeof inside === 'object' && inside !== null) open.push([inside, depth]);
  };
  for (const token of new Parser().parse(text)) enter(token, 0);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [{ value, items = [] }, depth] = next;
    // The document itself is a token around its content.
    if (depth > DEEPEST + 1) return true;
    enter(value, depth + 1);
    for (const item of items) {
      enter(item.key, depth + 1);
      enter(item.value, depth + 1);
    }
  }
  return false;
}

/** More levels than a text can have, counted without parsing it: nearly every file stays below the limit by that already. */
function deepestPossible(text: string): number {
  const flow = text.match(/[[{]/g)?.length ?? 0;
  let block = 0;
  // A line begins one level for each of its indicators. Of the levels around it each is indented, or is a list beside its key.
  for (const line of text.split(/[\r\n]+/)) {
    const indentation = /^[ \t]*/.exec(line)?.[0].length ?? 0;
    const indicators = line.match(/[-?:](?=\s|$)/g)?.length ?? 0;
    block = Math.max(block, 2 * indentation + 2 * indicators);
  }
  return flow + block;
}
