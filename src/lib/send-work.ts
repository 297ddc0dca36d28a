import type { Builtins, Made } from './threads.ts';

/** A request whose body is a file of so many bytes. */
export interface SendTask {
  readonly method: 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly file: string;
  readonly size: number;
  /** The longest silence while bytes go out, and for the answer after the last of them, in milliseconds. */
  readonly silence: number;
  readonly patience: number;
}

/** What came of it. */
export type Sent =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
    }
  | { readonly kind: 'broken'; readonly why: string }
  /** The file has fewer bytes; or the certificate is not trusted here, and nothing was sent. */
  | { readonly kind: 'shorter' | 'untrusted' };

/**
 * Sends a large file on a connection of its own (HTTP/1.1, RFC 9112), through two buffers that are used again and again, for the
 * reason that `fetchWork` gives. Runs in a thread, see `Threads`: it uses nothing from around it.
 */
export function sendWork(task: SendTask, { fs, net, tls, tell }: Builtins): Promise<Made<Sent>> {
  const LARGEST_ANSWER = 64 * 1024;
  const TELL_EVERY = 8 * 2 ** 20;
  const url = new URL(task.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const file = fs.openSync(task.file, 'r');
  let at = 0;
  let untold = 0;
  let answer = Buffer.alloc(0);
  let why = 'the connection was closed';
  /** The answer, if all of it that matters is here. */
  const read = (isEnd: boolean): Sent | undefined => {
    const blank = answer.indexOf('\r\n\r\n');
    if (blank < 0)
      return answer.length > LARGEST_ANSWER ? { kind: 'broken', why: 'no HTTP came' } : undefined;
    const [first = '', ...lines] = answer.subarray(0, blank).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1] ?? 0);
    if (status >= 100 && status < 200) {
      // Of an interim answer nothing matters.
      answer = answer.subarray(blank + 4);
      return read(isEnd);
    }
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const body = answer.subarray(blank + 4);
    const isWhole =
      body.length >= Number(headers['content-length'] ?? Number.POSITIVE_INFINITY) ||
      body.subarray(-5).equals(Buffer.from('0\r\n\r\n'));
    if (status < 200 || !(isWhole || isEnd || body.length > LARGEST_ANSWER || status < 300)) return undefined;
    return { kind: 'answered', status, headers, body: body.toString('utf8') };
  };
  return new Promise<Made<Sent>>((resolve) => {
    const options = { host, port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) };
    const named = net.isIP(host) === 0 ? { servername: host } : {};
    const socket =
      url.protocol === 'https:'
        ? tls.connect({ ...options, ...named, ALPNProtocols: ['http/1.1'] })
        : net.connect(options);
    // Threads believe fewer issuers of certificates than the process may be told to.
    const isUntrusted = (): boolean =>
      url.protocol === 'https:' && socket instanceof tls.TLSSocket && Boolean(socket.authorizationError);
    const finish = (result: Sent): void => {
      socket.destroy();
      if (untold > 0) tell(untold);
      untold = 0;
      resolve({ result });
    };
    /** Sends the next bytes out of a buffer, which is free again when they have gone. */
    const pump = (buffer: Buffer): void => {
      if (at === task.size || socket.destroyed) return;
      const step = fs.readSync(file, buffer, 0, Math.min(buffer.length, task.size - at), at);
      if (step === 0) {
        finish({ kind: 'shorter' });
        return;
      }
      at += step;
      untold += step;
      if (untold >= TELL_EVERY) {
        tell(untold);
        untold = 0;
      }
      if (at === task.size) socket.setTimeout(task.patience);
      socket.write(buffer.subarray(0, step), (error) => {
        if (!error) pump(buffer);
      });
    };
    const look = (isEnd: boolean): void => {
      const found = read(isEnd);
      if (found !== undefined) finish(found);
      else if (isEnd) finish(isUntrusted() ? { kind: 'untrusted' } : { kind: 'broken', why });
    };
    socket.setTimeout(task.silence, () => socket.destroy(new Error('no answer in time')));
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('data', (bytes) => {
      answer = Buffer.concat([answer, bytes]);
      look(false);
    });
    socket.on('close', () => look(true));
    // Not closed by the other side: whoever answers before it has read all would end the connection before the answer is read.
    const fields = { host: url.host, ...task.headers, 'content-length': task.size };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
    socket.write(`${task.method} ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    // A core's own cache holds both: from there, the kernel takes them with a third less processor time than from 1 MiB.
    for (let n = 0; n < 2; n++) pump(Buffer.allocUnsafeSlow(256 * 1024));
  }).finally(() => fs.closeSync(file));
}
