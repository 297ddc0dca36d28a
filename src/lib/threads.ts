import { on } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import pLimit from 'p-limit';

/** How much is done at the same time where the cores are what limits. More than a few cannot be fed by one disk. */
export const CORES = Math.min(availableParallelism(), 8);

/** A thread that waits for work costs memory, and starting another a few milliseconds. */
const IDLE_MS = 2000;

/** What the work of a thread may use besides its task. */
export interface Builtins {
  readonly fs: typeof import('node:fs');
  readonly crypto: typeof import('node:crypto');
  readonly path: typeof import('node:path');
  readonly net: typeof import('node:net');
  readonly tls: typeof import('node:tls');
  /** Tells whoever waits how much more is done. */
  readonly tell: (count: number) => void;
}

/** What came of a task. What is in `transfer` is handed over and not copied. */
export interface Made<R> {
  readonly result: R;
  readonly transfer?: readonly ArrayBuffer[];
}

/** On Linux a priority is a thread's own; elsewhere it is the whole process's, which is to keep its own. */
const STAND_BACK = (nice: number): string =>
  `if (process.platform === 'linux') require('node:os').setPriority(${nice});`;

type Answer<R> =
  | { readonly told: number }
  | { readonly result: R }
  | { readonly failure: { readonly message: string } };

/**
 * Threads that all do the same work, one task at a time each, for what keeps a core busy. They are started when they are first
 * needed, keep the process alive only while they work, and end when there is nothing to do.
 */
export class Threads<T, R> {
  readonly #code: string;
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #idle: Worker[] = [];
  #end: NodeJS.Timeout | undefined;

  /**
   * @param work is sent to the threads as text, because the bundle is one file: it may use its arguments and nothing from around it
   * @param most as many threads as cores, unless given
   * @param nice how far the threads stand back when others want the cores: 0 not at all, 19 as far as can be
   */
  constructor(work: (task: T, node: Builtins) => Made<R> | Promise<Made<R>>, most = CORES, nice = 0) {
    this.#code = `
const { parentPort } = require('node:worker_threads');
${nice === 0 ? '' : STAND_BACK(nice)}
const tell = (told) => parentPort.postMessage({ told });
const node = { tell };
for (const name of ['fs', 'crypto', 'path', 'net', 'tls']) Object.defineProperty(node, name, { get: () => require('node:' + name) });
const work = ${work.toString()};
parentPort.on('message', async (task) => {
  try {
    const { result, transfer = [] } = await work(task, node);
    parentPort.postMessage({ result }, transfer);
  } catch (error) {
    parentPort.postMessage({ failure: { ...error, message: error.message, stack: error.stack } });
  }
});`;
    this.#limit = pLimit(most);
  }

  /**
   * Does one task; what the work throws, this throws, with the code of a system's error.
   * @param onTold is told what the work tells; when it throws, the work is broken off
   * @param signal breaks it off, too, with its reason
   */
  run(task: T, onTold: (count: number) => void = () => {}, signal?: AbortSignal): Promise<R> {
    return this.#limit(async () => {
      const worker = this.#idle.pop() ?? this.#start();
      worker.ref();
      try {
        const result = await this.#ask(worker, task, onTold, signal);
        this.#rest(worker);
        return result;
      } catch (error) {
        await worker.terminate();
        signal?.throwIfAborted();
        throw error;
      }
    });
  }

  /** Ends all threads that have nothing to do, now. */
  async close(): Promise<void> {
    clearTimeout(this.#end);
    await Promise.all(this.#idle.splice(0).map((worker) => worker.terminate()));
  }

  /** Without the options and variables of this process: what they load is not meant for every thread, and secrets stay here. */
  #start(): Worker {
    return new Worker(this.#code, { eval: true, execArgv: [], env: {} });
  }

  async #ask(worker: Worker, task: T, onTold: (count: number) => void, signal?: AbortSignal): Promise<R> {
    worker.postMessage(task);
    for await (const [message] of on(worker, 'message', { close: ['exit'], ...(signal && { signal }) })) {
      const answer: Answer<R> = message;
      if ('told' in answer) onTold(answer.told);
      else if ('result' in answer) return answer.result;
      // Only a plain error crosses from thread to thread with its code.
      else throw Object.assign(new Error(answer.failure.message), answer.failure);
    }
    throw new Error('a thread ended before its work did');
  }

  #rest(worker: Worker): void {
    worker.unref();
    this.#idle.push(worker);
    clearTimeout(this.#end);
    this.#end = setTimeout(() => void this.close(), IDLE_MS).unref();
  }
}
