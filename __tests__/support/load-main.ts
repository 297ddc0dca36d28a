/**
 * The load client as a process of its own: `node load-main.ts '{"url": …}'`, see load.ts. Every line on stdin is answered by one on
 * stdout, the report so far; the end of stdin ends the asking, waits for what is open, and prints the last report.
 */
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadOptions } from './load.ts';
import { type Answer, reportOf } from './load-report.ts';

/** Requests are begun in steps of so many milliseconds; a step that comes late begins all that are due. */
const STEP = 5;

const { url, rate, method, headers, body, timeoutSeconds } = loadOptions.parse(
  JSON.parse(process.argv[2] ?? ''),
);
const agent = new Agent({ keepAlive: true, scheduling: 'fifo' });
const answers: Answer[] = [];
const open = new Set<Promise<void>>();
const begin = performance.now();
const ending = new AbortController();

/** One request, counted from the moment at which it was due. */
function ask(due: number): Promise<void> {
  return new Promise((resolve) => {
    const at = performance.now() - begin;
    const end = (what: { failure: string } | { release: string | null }): void => {
      clearTimeout(timer);
      answers.push({ due, sent: at, milliseconds: performance.now() - begin - due, ...what });
      resolve();
    };
    const fail = (error: Error): void => end({ failure: error.message });
    const sent = request(url, { method, headers, agent }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', fail);
      answer.on('end', () => {
        const { statusCode: status = 0 } = answer;
        const release = answer.headers['x-trainyard-release'];
        if (status >= 200 && status < 300) end({ release: typeof release === 'string' ? release : null });
        else end({ failure: `${status}: ${Buffer.concat(chunks).toString('utf8').slice(0, 200)}` });
      });
    });
    const timer = setTimeout(
      () => sent.destroy(new Error(`no answer within ${timeoutSeconds} s`)),
      timeoutSeconds * 1000,
    );
    sent.on('error', fail);
    sent.end(body);
  });
}

async function askOn(): Promise<void> {
  for (let count = 0; !ending.signal.aborted; await sleep(STEP))
    for (; (count * 1000) / rate <= performance.now() - begin; count++) {
      const asked = ask((count * 1000) / rate).finally(() => open.delete(asked));
      open.add(asked);
    }
  await Promise.all(open);
}

function tell(): void {
  process.stdout.write(`${JSON.stringify(reportOf(answers, performance.now() - begin))}\n`);
}

const asking = askOn();
for await (const _ of createInterface({ input: process.stdin })) tell();
ending.abort();
await asking;
agent.destroy();
tell();
