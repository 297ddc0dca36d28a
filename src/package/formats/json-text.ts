import { quoted, Unfit } from './format.ts';

const DEEPEST = 100;

/**
 * Parses JSON that every reader reads alike: without duplicate keys, of which one reader takes the first and another the
 * last, and not so deep that a reader gives up. @throws Unfit
 */
export function parseJson(text: string, what = 'JSON'): unknown {
  const { depth, duplicate } = scan(text);
  if (depth > DEEPEST) throw new Unfit(`is ${what} that is nested more than ${DEEPEST} deep; flatten it`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Unfit(`is not ${what}: ${error instanceof Error ? error.message : error}; write it again`);
  }
  if (duplicate !== undefined)
    throw new Unfit(`has the key ${quoted(duplicate)} twice in one object; keep one of them`);
  return value;
}

/** How deep a text is nested, and a key that an object has twice. What is no JSON is told by the parser. */
function scan(text: string): { depth: number; duplicate: string | undefined } {
  /** The keys of each object that is open; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let isKey = false;
  let depth = 0;
  let duplicate: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      const begin = at;
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === '\\') at++;
      const keys = open.at(-1);
      if (!isKey || keys === undefined || duplicate !== undefined) continue;
      const key = unquoted(text.slice(begin, at + 1));
      if (keys.has(key)) duplicate = key;
      keys.add(key);
    } else if (char === '{' || char === '[') {
      open.push(char === '{' ? new Set() : undefined);
      isKey = char === '{';
      depth = Math.max(depth, open.length);
      if (depth > DEEPEST) break;
    } else if (char === '}' || char === ']') {
      open.pop();
      isKey = false;
    } else if (char === ':') {
      isKey = false;
    } else if (char === ',') {
      isKey = open.at(-1) !== undefined;
    }
  }
  return { depth, duplicate };
}

function unquoted(token: string): string {
  if (!token.includes('\\')) return token.slice(1, -1);
  try {
    return String(JSON.parse(token));
  } catch {
    return token;
  }
}
