import { describe, expect, test } from '@jest/globals';
import { inert, withConsole, withInertConsole } from '../../src/github/inert.ts';
import { commandsOf } from '../support/step.ts';

const HOSTILE = [
  '::add-path::/x',
  '  ::set-env name=A::b',
  'x ##[add-mask]true',
  '##[group]g',
  '::stop-commands::mine',
  '::mine::',
  'text\r::error::x',
];

describe('our own lines', () => {
  test('hold no commands, whatever text of the user’s is in them', () => {
    expect(commandsOf(HOSTILE.join('\n'))).toEqual(['add-path', 'set-env', 'add-mask', 'group', 'error']);
    expect(commandsOf(HOSTILE.map(inert).join('\n'))).toEqual([]);
    expect(inert('data a::b: 12 bytes [x]')).toBe('data a::b: 12 bytes [x]');
  });
});

describe('the lines of a program', () => {
  const show = async (chunks: readonly string[], around = withInertConsole): Promise<string> => {
    const printed: string[] = [];
    await around(
      (chunk) => printed.push(Buffer.from(chunk).toString()),
      async (console) => {
        for (const chunk of chunks) console.write(Buffer.from(chunk));
        console.say('step 1 loss 0.5 ##[warning]');
        console.write(Buffer.from('without an end'));
      },
    );
    return printed.join('');
  };

  test('are shown unchanged, and none commands the runner; afterwards it takes commands again', async () => {
    const shown = await show([HOSTILE.join('\n'), ' and more']);
    expect(shown).toContain(`${HOSTILE.join('\n')} and more\nstep 1 loss 0.5 ##[warning]\nwithout an end\n`);
    expect(commandsOf(`${shown}::notice::ours`)).toEqual(['notice']);
  });

  test('are stopped by a token that is another one each time', async () => {
    const token = async () => /::stop-commands::(\w{48})\n/.exec(await show([]))?.[1];
    expect(await token()).not.toBe(await token());
  });

  test('also when the program could not be followed', async () => {
    const printed: string[] = [];
    const print = (chunk: Uint8Array | string) => printed.push(String(chunk));
    await expect(withInertConsole(print, () => Promise.reject(new Error('disk full')))).rejects.toThrow(
      'disk full',
    );
    expect(commandsOf(printed.join(''))).toEqual([]);
  });

  test('at a terminal are shown as they are', async () => {
    expect(await show(['::x::y'], withConsole)).toBe('::x::y\nstep 1 loss 0.5 ##[warning]\nwithout an end\n');
  });
});
