import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { digestOf } from '../../src/lib/digest.ts';
import { isRunning, until } from '../support/fronts.ts';
import { type Machine, servingMachine } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';
import { sumOf } from '../support/releases.ts';
import { commandsOf, runStep, type StepResult } from '../support/step.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
beforeEach(async () => {
  machine = await servingMachine();
});
afterEach(() => machine.remove());

async function step(
  inputs: Record<string, string>,
  env: Record<string, string> = {},
  running?: Parameters<typeof runStep>[3],
): Promise<StepResult> {
  const PATH = `${dirname(await tool('uv'))}:${process.env.PATH}`;
  return runStep(
    'deploy',
    { store: join(machine.root, 'yard'), name: '', environment: '', ...inputs },
    {
      PATH,
      TRAINYARD_STATE: join(machine.root, 'state'),
      TRAINYARD_CACHE: join(machine.root, 'cache'),
      RUNNER_TRACKING_ID: 'github_9',
      ...env,
    },
    running,
    join(machine.dist, 'front', 'index.js'),
  );
}

const firstLine = ({ summary }: StepResult) => summary.split('\n')[0];

describe('the action deploy', () => {
  test('brings a release live, says so first, and what serves outlives the step', async () => {
    const release = await machine.release({ secrets: ['API_KEY'], config: { LIMIT: 5 } });
    const env = { API_KEY: 'open sesame' };
    const result = await step({ release }, env);
    const { status, stderr, outputs, stdout, summary } = result;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const endpoint = `http://127.0.0.1:${machine.port}`;
    expect(outputs).toEqual({ outcome: 'live', endpoint, deployment: expect.stringMatching(/^sha256:/) });
    expect(firstLine(result)).toMatch(
      new RegExp(
        `^### 🟢 test · toy <code>${release.slice(7, 19)}</code> live since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC at <${endpoint}> · 1 of 1 golden requests, p50 \\d+ ms, p95 \\d+ ms$`,
      ),
    );
    expect(summary).toContain('```mermaid\ngraph LR\n');
    expect(summary).toContain(`| release in public | ✅ | ${release.slice(7, 19)} |`);
    expect(stdout.split('\n').filter((line) => line.includes('open sesame'))).toEqual([
      '::add-mask::open sesame',
    ]);
    expect(summary).not.toContain('open sesame');
    expect(await machine.served()).toMatchObject({ release, deployment: outputs.deployment });
    for (const pid of await processesOf(machine.state)) {
      expect(await readFile(`/proc/${pid}/environ`, 'utf8')).not.toMatch(/RUNNER_|GITHUB_|INPUT_/);
    }
    const again = await step({ release, name: 'toy', environment: 'test' }, env);
    expect(again.outputs.outcome).toBe('unchanged');
    expect(firstLine(again)).toContain(`serves already at <${endpoint}>`);
  });

  test('a store that cannot be written to does not hide what serves', async () => {
    const release = await machine.release();
    // All that is there can be read; names can be written no more.
    await rm(join(machine.root, 'yard', 'refs'), { recursive: true });
    await writeFile(join(machine.root, 'yard', 'refs'), '');
    const { status, outputs, stdout } = await step({ release });
    expect([status, outputs.outcome, (await machine.served()).release]).toEqual([1, 'live', release]);
    expect(stdout).toMatch(
      /^::error::the release is live at .*, but the store .*yard does not know of it: /m,
    );
    await rm(join(machine.root, 'yard', 'refs'));
    expect((await step({ release })).outputs).toMatchObject({ outcome: 'unchanged' });
    // It learns of the one that it missed, too.
    expect((await machine.store.names('deployment-')).size).toBe(2);
  });

  test('a store that cannot be written to when a release is refused: the step says both', async () => {
    const release = await machine.release({ config: { MODE: 'dies' } });
    await rm(join(machine.root, 'yard', 'refs'), { recursive: true });
    await writeFile(join(machine.root, 'yard', 'refs'), '');
    const { status, outputs, stdout } = await step({ release });
    expect([status, outputs.outcome]).toEqual([1, 'refused']);
    expect(stdout).toMatch(
      /^::error::test: release \w+ is refused: the server ended .*; nothing serves yet%0Athe store .*yard does not know of that: .*; once that is mended, the next deploy tells it$/m,
    );
  });

  test('fails when a release is refused, shows what differs, and goes back to the previous one by hand', async () => {
    const first = await machine.release();
    await step({ release: first });
    const golden = [
      sumOf([1], 1),
      { ...sumOf([2], 2), request: { method: 'GET', path: '/<b>|x', headers: {} } },
    ];
    const wrong = await step({ release: await machine.release({ golden }) });
    expect(wrong.status).toBe(1);
    expect(wrong.outputs.outcome).toBe('refused');
    expect(firstLine(wrong)).toContain('refused before the switch: 1 of 2 golden requests differ');
    expect(firstLine(wrong)).toContain(`<code>${first.slice(7, 19)}</code> went on serving`);
    expect(wrong.summary).toContain(
      '| line 2: <code>GET /&#60;b&#62;&#124;x</code> | sum: expected 2, and it is missing |',
    );
    expect(wrong.stdout).toContain(`is refused: 1 of 2 golden requests differ`);
    const dead = await step({ release: await machine.release({ config: { MODE: 'dies' } }) });
    expect(dead.summary).toContain('Traceback: no such layer');
    const second = await machine.release({ config: { LIMIT: 2 } });
    expect((await step({ release: second })).summary).toContain(
      'npx trainyard deploy --release previous --name toy --environment test',
    );
    const back = await step({ release: 'previous', name: 'toy', environment: 'test' });
    expect(back.outputs.outcome).toBe('live');
    // There is nothing before the first, so no command that would fail is offered.
    expect(back.summary).not.toContain('--release previous');
    expect(back.summary).toMatch(/To stop it, on its machine: <code>kill \d+<\/code>/);
    expect((await machine.served()).release).toBe(first);
  });

  test('a cancelled step leaves what served before', async () => {
    const first = await machine.release();
    await step({ release: first });
    const release = await machine.release({ config: { MODE: 'hangs' } });
    const result = await step({ release }, {}, (child) => {
      const timer = setInterval(async () => {
        if (((await machine.front.find())?.candidate ?? null) === null) return;
        child.kill('SIGTERM');
        clearInterval(timer);
      }, 50);
    });
    expect(result.status).toBe(1);
    expect(result.outputs.outcome).toBe('refused');
    expect((await machine.served()).release).toBe(first);
    expect(await processesOf(machine.state)).toHaveLength(2);
  });
});

describe('bad input: one clear error, and nothing is left', () => {
  const cases: [string, () => Promise<Record<string, string>>, string][] = [
    ['no release', async () => ({ release: '' }), 'input release is required'],
    ['no digest', async () => ({ release: 'latest' }), 'input release is "latest", not a digest'],
    [
      'a digest that is not there',
      async () => ({ release: digestOf(Buffer.from('?')) }),
      'there is no release sha256:',
    ],
    [
      'a Run',
      async () => ({ release: (await machine.parents(await machine.release())).run }),
      'is a run, but a release (application/vnd.trainyard.release.v1+json) is needed here',
    ],
    [
      'previous without names',
      async () => ({ release: 'previous' }),
      'name and environment are required when release is previous',
    ],
    [
      'previous of nothing',
      async () => ({ release: 'previous', name: 'toy', environment: 'test' }),
      'nothing was ever deployed here',
    ],
    [
      'another environment',
      async () => ({ release: await machine.release(), environment: 'production' }),
      'input environment is production, and the release is made for test',
    ],
    [
      'a name that is a path',
      async () => ({ release: await machine.release(), name: '../x"; touch PWN #' }),
      'input name is ../x',
    ],
    [
      'a secret that is missing',
      async () => ({ release: await machine.release({ secrets: ['API_KEY'] }) }),
      'does not have: API_KEY. Add to the step: env: {API_KEY: ${{ secrets.API_KEY }}}',
    ],
  ];

  test.each(cases)('%s', async (_name, inputs, message) => {
    const result = await step(await inputs());
    expect(result.status).toBe(1);
    const errors = result.stdout.split('\n').filter((line) => line.startsWith('::error'));
    expect(errors).toEqual([expect.stringContaining(message.replaceAll('%', '%25'))]);
    expect(commandsOf(result.stdout)).toEqual(['error']);
    expect(firstLine(result)).toMatch(/^### ❌ deploy · /);
    expect(result.outputs).toEqual({});
    await until(async () => (await processesOf(machine.root)).length === 0);
  });

  test('a port that another program holds', async () => {
    const other = createServer().listen(machine.port, '127.0.0.1');
    await once(other, 'listening');
    const result = await step({ release: await machine.release() });
    other.close();
    expect(result.status).toBe(1);
    expect(result.stdout).toContain(`::error::port ${machine.port} on 127.0.0.1 is held by another program`);
    await until(async () => (await processesOf(machine.root)).length === 0);
    expect(await machine.store.names('deployment-')).toEqual(new Map());
  });
});

test('a daemon that the server leaves is ended with it', async () => {
  await step({ release: await machine.release({ config: { MODE: 'daemon' } }) });
  const log = await readFile(join(machine.state, 'server.log'), 'utf8');
  const daemon = Number(/daemon (\d+)/.exec(log)?.[1]);
  expect(await isRunning(daemon)).toBe(true);
  await step({ release: await machine.release() });
  expect(await isRunning(daemon)).toBe(false);
});
