import { userErrors } from './errors.ts';

/** What a name stands for: a text, or a list of arguments that takes the place of a whole one. */
export type Expansion = string | readonly string[];

/**
 * Expands `${name}` in the arguments of a command, once and without a shell: an expanded text is never split or read again.
 * @param place whose command it is, for errors
 * @throws UserError naming every unknown name, and every list that is only a part of an argument
 */
export function expand(
  argv: readonly string[],
  values: Readonly<Record<string, Expansion>>,
  place: string,
): string[] {
  const known = new Map(Object.entries(values));
  const problems: string[] = [];
  const expanded = argv.flatMap((argument) => {
    const whole = /^\$\{([^}]*)\}$/.exec(argument)?.[1];
    const list = whole === undefined ? undefined : known.get(whole);
    if (typeof list === 'object') return list;
    return argument.replace(/\$\{([^}]*)\}/g, (written, name: string) => {
      const value = known.get(name);
      if (typeof value === 'string') return value;
      problems.push(
        value === undefined
          ? `${written} is not known; known are: ${[...known.keys()].map((key) => `\${${key}}`).join(', ')}`
          : `${written} stands for several arguments, so it must be an argument of its own, not a part of ${JSON.stringify(argument)}`,
      );
      return written;
    });
  });
  if (problems.length > 0) throw userErrors(`${place} cannot be expanded`, problems);
  return expanded;
}
