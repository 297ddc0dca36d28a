/** A client that asks at a steady rate, whatever comes of it. */
import { ask, type HttpRequest } from '../../src/lib/http.ts';

export interface Load {
  /** Ends it; gives what its requests came to, in the order in which they were sent. */
  stop(): Promise<readonly LoadAnswer[]>;
}

export interface LoadAnswer {
  /** When it was sent, in milliseconds since 1970. */
  readonly at: number;
  /** Undefined where there was no whole answer of status 200. */
  readonly release: string | undefined;
  readonly problem: string | undefined;
}

/** Each request by a connection of its own. @param rate per second */
export function startLoad(address: string, wanted: Omit<HttpRequest, 'timeoutSeconds'>, rate: number): Load {
  const [host = '', port] = address.split(':');
  const answers: Promise<LoadAnswer>[] = [];
  const begin = performance.now();
  const timer = setInterval(() => {
    // A busy machine may wake this late; what it missed is sent then.
    const due = ((performance.now() - begin) / 1000) * rate;
    while (answers.length < due) answers.push(answerOf({ host, port: Number(port) }, wanted));
  }, 5);
  return {
    stop: async () => {
      clearInterval(timer);
      return Promise.all(answers);
    },
  };
}

async function answerOf(
  place: { host: string; port: number },
  wanted: Omit<HttpRequest, 'timeoutSeconds'>,
): Promise<LoadAnswer> {
  const at = Date.now();
  try {
    const { status, headers, body } = await ask(place, { ...wanted, timeoutSeconds: 10 });
    const isGood = status === 200;
    return {
      at,
      release: isGood ? String(headers['x-trainyard-release']) : undefined,
      problem: isGood ? undefined : `status ${status}: ${body}`,
    };
  } catch (error) {
    return { at, release: undefined, problem: error instanceof Error ? error.message : String(error) };
  }
}
