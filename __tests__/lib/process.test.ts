import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { CommandError, type Group, launch, run, startGroup } from '../../src/lib/process.ts';

let folder: string;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-process-')));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A zombie has ended: only its parent has not looked yet. */
const isAlive = async (pid: number): Promise<boolean> => {
  const { stdout } = await run(['ps', '-o', 'stat=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return !/^(Z|$)/.test(String(stdout).trim());
};

const firstLine = async (group: Group): Promise<string> => {
  let text = '';
  for await (const chunk of group.stdout) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  return text.trim();
};

const started: Group[] = [];
afterEach(async () => {
  for (const group of started.splice(0)) await group.end(0);
});

const start = async (script: string): Promise<Group> => {
  const group = await startGroup(['sh', '-c', script], { cwd: folder, env: { PATH: process.env.PATH } });
  started.push(group);
  return group;
};

describe('run', () => {
  test('gives what the tool prints, and takes its input', async () => {
    const { stdout, stderr } = await run(['sh', '-c', 'cat; echo aside >&2'], { input: 'bytes' });
    expect(stdout.toString()).toBe('bytes');
    expect(stderr).toBe('aside\n');
  });

  test('a megabyte goes in and comes out while both are piped', async () => {
    const input = Buffer.alloc(2 ** 20, 7);
    expect((await run(['cat'], { input })).stdout.equals(input)).toBe(true);
  });

  test('the status decides, whatever stderr says', async () => {
    await expect(run(['sh', '-c', 'echo fine >&2'])).resolves.toBeDefined();
    const failure = await run(['sh', '-c', 'seq 1 50 >&2; exit 3']).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CommandError);
    expect(failure).toMatchObject({
      status: 3,
      message: expect.stringMatching(/^sh ended with status 3: 41\n.*50$/s),
    });
    await expect(run(['false'])).rejects.toThrow('false ended with status 1');
    await expect(run(['sh', '-c', 'kill -9 $$'])).rejects.toThrow('sh was ended by SIGKILL');
  });

  test('a tool that is not there, and a folder that is not there', async () => {
    await expect(run(['no-such-tool'])).rejects.toThrow(/no-such-tool could not be started/);
    await expect(run(['true'], { cwd: join(folder, 'none') })).rejects.toThrow(
      /could not be started in .*none/,
    );
  });

  test('a tool that does not read its input is no failure', async () => {
    await expect(run(['true'], { input: Buffer.alloc(2 ** 20) })).resolves.toBeDefined();
  });

  test('output beyond the bound ends the tool', async () => {
    await expect(run(['yes'], { maxOutput: 1000 })).rejects.toThrow('yes printed more than 1000 bytes');
  });

  test('an abort ends the tool and its children, and its reason is thrown', async () => {
    const control = new AbortController();
    const running = run(['sh', '-c', `sleep 77 & echo $! > ${folder}/child; wait`], {
      signal: control.signal,
    });
    await sleep(300);
    control.abort(new Error('cancelled by hand'));
    await expect(running).rejects.toThrow('cancelled by hand');
    expect(await isAlive(Number(await readFile(join(folder, 'child'), 'utf8')))).toBe(false);
    await expect(run(['true'], { signal: control.signal })).rejects.toThrow('cancelled by hand');
  });
});

describe('startGroup', () => {
  test('the environment is the given one and the marker, nothing else', async () => {
    const group = await startGroup(['/usr/bin/env'], { cwd: folder, env: { ONLY: 'this' }, marker: 'abc' });
    const lines: string[] = [];
    for await (const chunk of group.stdout) lines.push(...String(chunk).trim().split('\n'));
    expect(new Set(lines)).toEqual(new Set(['ONLY=this', 'TRAINYARD_MARKER=abc']));
    expect(await group.exited).toEqual({ status: 0, signal: null });
    await group.end(0);
  });

  test('what it printed is there however late it is read', async () => {
    const group = await start('seq 1 5000; echo aside >&2');
    await group.exited;
    await sleep(100);
    expect((await text(group.stdout)).trim().split('\n')).toHaveLength(5000);
    expect(await text(group.stderr)).toBe('aside\n');
  });

  test('SIGTERM reaches each process once, and its orderly end may take the grace', async () => {
    const group = await start(
      'trap "echo told; sleep 0.3; exit 5" TERM; echo up; while :; do sleep 0.05; done',
    );
    const lines: string[] = [];
    const reading = (async () => {
      for await (const chunk of group.stdout) lines.push(...String(chunk).trim().split('\n'));
    })();
    while (!lines.includes('up')) await sleep(20);
    await Promise.all([group.end(10), group.end(10)]);
    await reading;
    expect(lines).toEqual(['up', 'told']);
    expect(await group.exited).toEqual({ status: 5, signal: null });
  });

  test('SIGKILL follows for one that ignores SIGTERM', async () => {
    const group = await start('trap "" TERM; echo up; while :; do sleep 0.05; done');
    await firstLine(group);
    const began = Date.now();
    await group.end(0.3);
    expect(Date.now() - began).toBeGreaterThan(290);
    expect((await group.exited).signal).toBe('SIGKILL');
  });

  // What follows a daemon into a session of its own, or one that hides its environment, is read from /proc.
  const onLinux = process.platform === 'linux' ? test : test.failing;

  onLinux('a daemon in a session of its own survives the leader, is seen, and is ended', async () => {
    const group = await start('setsid sh -c "exec sleep 78" & echo $!');
    await firstLine(group);
    expect((await group.exited).status).toBe(0);
    const [left, ...more] = await group.survivors();
    expect(left).toEqual({ pid: expect.any(Number), command: expect.stringContaining('sleep 78') });
    expect(more).toEqual([]);
    await group.end(1);
    expect(await isAlive(left?.pid ?? 0)).toBe(false);
    expect(await group.survivors()).toEqual([]);
  });

  onLinux(
    'one that empties its environment is ended with its session, and its children by descent',
    async () => {
      const group = await start('env -i setsid sleep 79 & env -i sleep 80 & echo up; wait');
      await firstLine(group);
      await sleep(200);
      const found = await group.survivors();
      expect(new Set(found.map((one) => one.command))).toEqual(new Set(['sleep 79', 'sleep 80']));
      await group.end(1);
      for (const { pid } of found) expect(await isAlive(pid)).toBe(false);
    },
  );

  onLinux('what keeps forking while it is ended leaves nothing', async () => {
    const script = 'trap "" TERM; echo up; for i in $(seq 200); do setsid sleep 81 & sleep 0.01; done';
    const group = await start(script);
    await firstLine(group);
    await sleep(300);
    await group.end(0.2);
    expect(await group.survivors()).toEqual([]);
  });

  test('a group that has ended is ended again without harm', async () => {
    const group = await start('exit 0');
    await group.exited;
    await group.end(1);
    await group.end(0);
    expect(await group.survivors()).toEqual([]);
  });
});

test('launch: a process of its own session that writes to a file', async () => {
  const output = join(folder, 'out.log');
  const { pid, exited } = await launch(['sh', '-c', 'ps -o sess= -p $$; echo err >&2; exit 4'], {
    cwd: folder,
    env: { PATH: process.env.PATH },
    output,
  });
  expect(await exited).toEqual({ status: 4, signal: null });
  expect((await readFile(output, 'utf8')).split(/\s+/)).toEqual(expect.arrayContaining([String(pid), 'err']));
});
