import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { parseDigest } from '../../src/lib/digest.ts';
import { run } from '../../src/records/run.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getRecord } from '../../src/store/records.ts';
import { putTrainer } from '../support/programs.ts';
import { commandsOf, runStep, type StepResult } from '../support/step.ts';
import { isAlive } from '../support/training.ts';

let folder: string;
let handoff: LayoutStore;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-action-train-'));
  handoff = new LayoutStore(join(folder, 'yard'));
  const PATH = `${dirname(await tool('uv'))}:${process.env.PATH}`;
  env = { PATH, TRAINYARD_CACHE: join(folder, 'cache'), GITHUB_SHA: 'c0ffee', GITHUB_EVENT_NAME: 'push' };
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function step(
  script: string,
  changes: { inputs?: Record<string, string>; env?: Record<string, string>; name?: string } = {},
  running?: Parameters<typeof runStep>[3],
): Promise<StepResult> {
  const files = { 'train.sh': script };
  const overrides = { command: ['sh', 'train.sh', '${params.text}'], params: { text: '' } };
  const { digest } = await putTrainer(handoff, files, overrides);
  const inputs = { trainer: digest, params: '', handoff: join(folder, 'yard'), ...changes.inputs };
  return runStep('train', inputs, { ...env, ...changes.env }, running);
}

const OURS = new Set(['group', 'endgroup', 'warning', 'error', 'debug']);
const foreign = ({ stdout }: StepResult) => commandsOf(stdout).filter((name) => !OURS.has(name));

describe('the action train', () => {
  test('gives a Run, and a summary whose first line is the verdict', async () => {
    const result = await step(
      `for i in 1 2 3; do echo "{\\"step\\": $i, \\"loss\\": 0.$((9 - i)), \\"acc\\": 0.$i}" >> $TRAINYARD_METRICS_FILE; done
       echo model > $TRAINYARD_OUTPUT_DIR/m`,
      { inputs: { params: 'text: "a"' } },
    );
    const { outputs, summary, status } = result;
    expect({ status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
    expect(outputs).toMatchObject({ state: 'succeeded', metrics: '{"loss":0.6,"acc":0.3}' });
    const { config } = await getRecord(handoff, run, parseDigest(String(outputs.run), 'run'));
    expect(config).toMatchObject({
      commit: 'c0ffee',
      trainingId: outputs['training-id'],
      params: { text: 'a' },
    });
    expect(summary.split('\n')[0]).toMatch(
      /^### ✅ toy · run <code>[0-9a-f]{12}<\/code> · succeeded in [0-9.]+ s$/,
    );
    expect(summary).toContain('| <code>loss</code> | **0.6** | 0.8 → 0.6 ↘ |');
    expect(
      summary.match(
        /```mermaid\n%%\{init: .*\}%%\nxychart-beta\n {2}title "(loss|acc)"\n {2}x-axis "step" 1 --> 3\n/g,
      ),
    ).toHaveLength(2);
    expect(summary).toContain('<code>text &#34;a&#34;</code>');
    expect(foreign(result)).toEqual([]);
  });

  test('shows lines that look like commands, and none is one', async () => {
    const result = await step(`printf '%s\\n' "$1" >&2; printf '%s' "$1"; exit 1`, {
      inputs: {
        params: JSON.stringify({ text: '::add-path::/x\nx ##[add-mask]true\n::stop-commands::a\n::a::\n' }),
      },
    });
    expect(result.stdout).toContain('::add-path::/x\nx ##[add-mask]true\n');
    expect(result.stdout).toMatch(
      /::stop-commands::(\w{48})\n.*::add-path::.*##\[add-mask\]true.*\n::\1::\n/s,
    );
    expect(foreign(result)).toEqual([]);
    expect(commandsOf(result.stdout)).toContain('error');
  });

  test('fails with the cause first, the last lines as an inert block, and no run to go on with', async () => {
    const result = await step(`seq 1 30; printf '\\033[31m\`\`\`\\n</td><img src=x>\\033[0m\\n'; exit 7`);
    expect(result.status).toBe(1);
    expect(result.outputs).toMatchObject({ run: '', state: 'failed', metrics: '{}' });
    expect(result.outputs['training-id']).toMatch(/^sha256:/);
    expect(result.stdout).toMatch(
      /^::error::the training failed: its program ended with status 7;.*\(Run sha256:\w{64}\)$/m,
    );
    const [verdict, , why] = result.summary.split('\n');
    expect(verdict).toMatch(/^### ❌ toy · run .* · failed after /);
    expect(why).toMatch(
      /^\*\*Why:\*\* its program ended with status 7; the last lines of its log say why\.$/,
    );
    const lines = [...Array.from({ length: 18 }, (_, i) => String(13 + i)), '```', '</td><img src=x>'];
    expect(result.summary).toContain(`\n\`\`\`\`text\n${lines.join('\n')}\n\`\`\`\`\n`);
  });

  test('a cancelled job ends the program and all that it started', async () => {
    let asked = false;
    const result = await step(
      'trap "" TERM INT; setsid sh -c \'trap "" TERM; echo "pid $$"; exec sleep 1000\' & wait; sleep 1000',
      {},
      (child, printed) => {
        child.stdout?.on('data', () => {
          if (!asked && printed().includes('pid ')) asked = child.kill('SIGINT');
        });
      },
    );
    expect(result.status).toBe(1);
    expect(result.outputs).toMatchObject({ run: '', state: 'cancelled' });
    expect(result.summary.split('\n')[0]).toMatch(/^### ⏹ toy · run .* · cancelled after /);
    expect(isAlive(Number(/pid (\d+)/.exec(result.stdout)?.[1]))).toBe(false);
    expect(await readdir(join(folder, 'yard', 'tmp'))).toEqual([]);
  });

  test.each([
    [
      'pull_request',
      { repository: { full_name: 'o/r' }, pull_request: { head: { repo: { full_name: 'x/r' } } } },
    ],
    ['pull_request_target', {}],
    ['issue_comment', {}],
    ['workflow_run', {}],
  ])('refuses the event %s before it opens anything', async (name, payload) => {
    const file = join(folder, 'event.json');
    await writeFile(file, JSON.stringify(payload));
    const result = await step('', {
      env: { GITHUB_EVENT_NAME: name, GITHUB_EVENT_PATH: file },
      inputs: { handoff: join(folder, 'never') },
    });
    expect(result).toMatchObject({ status: 1, outputs: {} });
    expect(result.stdout).toMatch(
      /^::error::.*(the event "\w+" may not train|comes from the fork x\/r).*[tT]rain /m,
    );
    expect(result.summary).toMatch(/^### ❌ train · /);
    expect(await readdir(folder)).not.toContain('never');
  });

  test('what a killed action left running is ended by the next, and what another one runs is not', async () => {
    const script =
      'if [ "$1" = x ]; then echo x > $TRAINYARD_OUTPUT_DIR/m; else echo "pid $$"; exec sleep 1000; fi';
    const whenUp = (then: (child: ChildProcess) => void) => {
      let seen = false;
      return (child: ChildProcess, printed: () => string) =>
        void child.stdout?.on('data', () => {
          if (!seen && printed().includes('pid ')) then(child);
          seen ||= printed().includes('pid ');
        });
    };
    const next = () => step(script, { inputs: { params: 'text: x' } });
    const pidOf = ({ stdout }: StepResult) => Number(/pid (\d+)/.exec(stdout)?.[1]);
    const killed = await step(
      script,
      {},
      whenUp((child) => child.kill('SIGKILL')),
    );
    expect(isAlive(pidOf(killed))).toBe(true);
    const { stdout, status } = await next();
    expect(status).toBe(0);
    expect(stdout).toContain(`and they are ended: ${pidOf(killed)} (sleep 1000)`);
    expect(isAlive(pidOf(killed))).toBe(false);
    let beside: Promise<StepResult> | undefined;
    const going = await step(
      script,
      {},
      whenUp((child) => {
        beside = next().finally(() => child.kill('SIGINT'));
      }),
    );
    expect([(await beside)?.status, going.outputs.state]).toEqual([0, 'cancelled']);
    await rm(join(folder, 'yard', 'tmp'), { recursive: true });
  });

  test('names every bad input at once', async () => {
    const result = await step('', { inputs: { trainer: 'latest', params: '[1]', handoff: '' } });
    expect(result.status).toBe(1);
    const error = /^::error::(.*)$/m.exec(result.stdout)?.[1];
    expect(error).toMatch(
      /input trainer is "latest", not a digest.*input params must be a mapping.*input handoff is required/,
    );
  });
});
