import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withInertConsole } from '../../src/github/inert.ts';
import { killsBetween, readMemoryKills } from '../../src/train/memory-kills.ts';
import { Silence } from '../../src/train/silence.ts';
import { TrimmedConsole } from '../../src/train/trimmed.ts';
import { commandsOf } from '../support/step.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-watching-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('silence', () => {
  test('grows while the sign stays the same, and ends with another one', () => {
    const silence = new Silence(4000);
    expect([silence.after(0, 'a'), silence.after(2000, 'a'), silence.after(4000, 'a')]).toEqual([
      0, 2000, 4000,
    ]);
    expect([silence.after(6000, 'b'), silence.after(8000, 'b')]).toEqual([0, 2000]);
  });

  test('does not grow while this process or the machine is stopped', () => {
    const silence = new Silence(4000);
    silence.after(0, 'a');
    // A laptop that slept for a night.
    expect(silence.after(28_800_000, 'a')).toBe(4000);
  });
});

describe('the console', () => {
  /** @param at when each chunk comes, in milliseconds */
  const show = async (chunks: readonly (readonly [at: number, text: string])[]): Promise<string> => {
    const printed: string[] = [];
    await withInertConsole(
      (chunk) => printed.push(Buffer.from(chunk).toString()),
      async (console) => {
        let now = 0;
        const trimmed = new TrimmedConsole(console, () => now);
        for (const [at, text] of chunks) {
          now = at;
          trimmed.write(Buffer.from(text));
        }
        trimmed.finish();
      },
    );
    return printed.join('').replace(/^::.*\n/gm, '');
  };
  const lines = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('');

  test('shows everything of a program that prints as much as people read', async () => {
    const text = lines(0, 900);
    expect(
      await show([
        [0, text.slice(0, 5003)],
        [1, text.slice(5003)],
      ]),
    ).toBe(text);
  });

  test('shows the beginning of a flood, how much was left out, and its end', async () => {
    const shown = await show([
      [0, lines(0, 3000)],
      [5, lines(3000, 5000)],
    ]);
    expect(shown).toBe(
      `${lines(0, 1000)}(3,980 lines are left out here; the log of the Run has all)\n${lines(4980, 5000)}`,
    );
  });

  test('goes on with a whole line once there is room again', async () => {
    const flood = lines(0, 1100);
    const shown = await show([
      [0, flood],
      [1, 'a line cut in'],
      [20_000, ' two\nnext\n'],
    ]);
    expect(shown).toBe(`${lines(0, 1000)}(101 lines are left out here; the log of the Run has all)\nnext\n`);
  });

  test('a line without an end is cut, and what follows it stands on a line of its own', async () => {
    const shown = await show([
      [0, 'x'.repeat(300 * 1024)],
      [1, 'the end'],
    ]);
    expect(shown).toMatch(
      /^x{262144}\n\(the rest of a line is left out here; the log of the Run has all\)\nx+the end\n$/,
    );
  });

  test('ends a day of flood with no more than people and GitHub can take', async () => {
    const flood = lines(0, 2000);
    const shown = await show(Array.from({ length: 8640 }, (_, i) => [i * 10_000, flood] as const));
    expect(shown.length).toBeLessThan(34 * 2 ** 20);
    expect(shown.endsWith(lines(1980, 2000))).toBe(true);
  });

  test('lets no line become a command by cutting it', async () => {
    const hostile = `${'::add-path::/evil\n'.repeat(1500)}${'y'.repeat(300 * 1024)}::set-env name=A::b\n##[add-mask]x`;
    const printed: string[] = [];
    await withInertConsole(
      (chunk) => printed.push(Buffer.from(chunk).toString()),
      async (console) => {
        const trimmed = new TrimmedConsole(console);
        for (let at = 0; at < hostile.length; at += 7001)
          trimmed.write(Buffer.from(hostile.slice(at, at + 7001)));
        trimmed.finish();
      },
    );
    expect(commandsOf(`${printed.join('')}::notice::ours`)).toEqual(['notice']);
  });
});

describe('processes that the kernel ended for want of memory', () => {
  const machine = async (name: string, files: Readonly<Record<string, string>>): Promise<string> => {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(folder, name, path, '..'), { recursive: true });
      await writeFile(join(folder, name, path), text);
    }
    return join(folder, name);
  };

  test.each<[string, Readonly<Record<string, string>>, number | undefined]>([
    [
      'of a group (v2)',
      {
        'proc/self/cgroup': '0::/job\n',
        'sys/fs/cgroup/job/memory.events': 'low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n',
      },
      2,
    ],
    [
      'of a container, which sees its own group only (v2)',
      { 'proc/self/cgroup': '0::/kubepods/x\n', 'sys/fs/cgroup/memory.events': 'oom 1\noom_kill 4\n' },
      4,
    ],
    [
      'of a group (v1)',
      {
        'proc/self/cgroup': '5:cpu,cpuacct:/a\n4:memory:/job\n',
        'sys/fs/cgroup/memory/job/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
      },
      1,
    ],
    ['where nothing is counted', { 'proc/self/cgroup': '0::/\n' }, undefined],
  ])('%s', async (name, files, group) => {
    const root = await machine(name, { ...files, 'proc/vmstat': 'pgfault 5\noom_kill 7\n' });
    expect(await readMemoryKills(root)).toEqual({ group, machine: 7 });
  });

  test('are counted from one reading to the next', async () => {
    const nowhere = { group: undefined, machine: undefined };
    expect(killsBetween({ group: 1, machine: 5 }, { group: 2, machine: 8 })).toEqual({
      group: 1,
      machine: 3,
    });
    expect(killsBetween(nowhere, { group: 1, machine: 8 })).toEqual(nowhere);
    expect(await readMemoryKills(join(folder, 'nothing'))).toEqual(nowhere);
  });
});
