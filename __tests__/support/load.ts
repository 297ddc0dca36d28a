/**
 * A client that asks an endpoint at a set rate, whatever the answers take, over connections that stay open. It is a process of its
 * own, so that it neither slows what is measured nor is slowed by it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { type LoadReport, loadReport } from './load-report.ts';

export const loadOptions = z.strictObject({
  url: z.url(),
  /** Requests a second. */
  rate: z.number().positive().default(200),
  method: z.string().default('GET'),
  headers: z.record(z.string(), z.string()).default({}),
  body: z.string().optional(),
  /** Without a whole answer by then, a request has failed. */
  timeoutSeconds: z.number().positive().default(10),
});

/** A load client that runs. */
export class Load {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  /** Starts to ask. Resolves once a request has ended, well or not. */
  static async begin(options: z.input<typeof loadOptions>): Promise<Load> {
    const args = [join(import.meta.dirname, 'load-main.ts'), JSON.stringify(loadOptions.parse(options))];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const load = new Load(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
    while ((await load.soFar()).asked === 0);
    return load;
  }

  /** What was seen so far; what is open is not in it. One call at a time. */
  async soFar(): Promise<LoadReport> {
    this.#child.stdin?.write('\n');
    return this.#report();
  }

  /** Asks no more, waits for the open requests, and ends the process. */
  async end(): Promise<LoadReport> {
    const closed = once(this.#child, 'close');
    this.#child.stdin?.end();
    const report = await this.#report();
    await closed;
    return report;
  }

  async #report(): Promise<LoadReport> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the load client has ended');
    return loadReport.parse(JSON.parse(value));
  }
}
