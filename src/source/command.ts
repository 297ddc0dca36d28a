import { z } from 'zod';

const OPERATORS = new Set(['&&', '||', '|', ';', '&', '>', '>>', '<', '2>&1']);

/** A command as a list, or as a string that is split at spaces (quotes group); there is no shell. */
export const command = z
  .union([z.array(z.string().min(1)).min(1), z.string().min(1)], 'a command: a string, or a list of strings')
  .transform((value, context) => {
    const words = typeof value === 'string' ? split(value) : [...value];
    const operator = words.find((word) => OPERATORS.has(word));
    if (operator !== undefined || words.length === 0) {
      context.addIssue({
        code: 'custom',
        message: `${JSON.stringify(operator ?? '')} needs a shell, and there is none: put the steps into a script of your own and call it`,
      });
    }
    return words;
  });

/** Words between spaces; `'…'` and `"…"` keep theirs. */
function split(text: string): string[] {
  const words = text.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g);
  return [...words].map(([word]) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ''),
  );
}
