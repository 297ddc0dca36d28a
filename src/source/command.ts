import { z } from 'zod';

const OPERATORS = new Set(['&&', '||', '|', ';', '&', '>', '>>', '<', '2>&1']);

/** A command as a list, or as a string that is split at spaces (quotes group); there is no shell. */
export const command = z
  .union([z.array(z.string().min(1)).min(1), z.string().min(1)], 'a command: a string, or a list of strings')
  .transform((value, context) => {
    if (typeof value !== 'string') return [...value];
    const words = split(value);
    const operator = words.find((word) => OPERATORS.has(word));
    const problem =
      operator !== undefined
        ? `${JSON.stringify(operator)} needs a shell, and there is none: put the steps into a script of your own and call it`
        : words.some(isOpen)
          ? 'a quote is not closed'
          : words.length === 0
            ? 'a command must name a program'
            : undefined;
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    return words.map(unquote);
  });

/** Words between spaces, quotes and what they hold included. */
function split(text: string): string[] {
  return text.match(/(?:"[^"]*"|'[^']*'|\S)+/g) ?? [];
}

function isOpen(word: string): boolean {
  return /["']/.test(word.replace(/"[^"]*"|'[^']*'/g, ''));
}

function unquote(word: string): string {
  return word.replace(
    /"([^"]*)"|'([^']*)'/g,
    (_, double?: string, single?: string) => double ?? single ?? '',
  );
}
