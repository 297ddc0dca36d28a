import { randomBytes } from 'node:crypto';
import type { ProgramConsole } from '../lib/log.ts';

/** Makes a text harmless for the runner, which takes `::name::` at the start of a line, and `##[name]` anywhere, for a command. */
export function inert(text: string): string {
  return text.replace(/^(\s*):(?=:)/gm, '$1\u200b:').replaceAll('##[', '##\u200b[');
}

/**
 * Shows a program's lines on the runner's console. Between the first line and the last the runner is told to take no commands,
 * by a token that nobody else knows; ours end with the program's.
 * @param print writes to the console at once
 */
export async function withInertConsole<T>(
  print: (chunk: Uint8Array | string) => void,
  work: (console: ProgramConsole) => Promise<T>,
): Promise<T> {
  const token = randomBytes(24).toString('hex');
  print(`::stop-commands::${token}\n`);
  return withConsole(print, work, `::${token}::\n`);
}

/** The same at a terminal, where no line is a command. `last` is printed at the end, on a line of its own. */
export async function withConsole<T>(
  print: (chunk: Uint8Array | string) => void,
  work: (console: ProgramConsole) => Promise<T>,
  last = '',
): Promise<T> {
  let atStart = true;
  const lineStart = (): void => {
    if (!atStart) print('\n');
    atStart = true;
  };
  try {
    return await work({
      write: (chunk) => {
        if (chunk.length > 0) atStart = chunk.at(-1) === 10;
        print(chunk);
      },
      say: (line) => {
        lineStart();
        print(`${line}\n`);
      },
    });
  } finally {
    lineStart();
    print(last);
  }
}
