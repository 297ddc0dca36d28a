import type { Builtins, Made } from './threads.ts';

/** A GET whose body goes into a file, from `offset` on; what the file holds before that is kept and hashed with it. */
export interface FetchTask {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly file: string;
  readonly offset: number;
  /** The longest silence in milliseconds. */
  readonly silence: number;
}

/**
 * What came of it: all of the body; a break after so many bytes of the file; or an answer that is none of the plain ones (a 200
 * or, from an offset on, a 206, with a length), of which nothing was taken, or none, because the certificate is not trusted here.
 */
export type Fetched =
  | { readonly kind: 'whole'; readonly hex: string; readonly size: number }
  | { readonly kind: 'broken'; readonly size: number; readonly why: string }
  | { readonly kind: 'other'; readonly status: number; readonly location: string | undefined };

/**
 * Receives a large body into one buffer that is used again and again, hashes it there, and writes it. HTTP clients hand every
 * 64 KiB to JavaScript in memory of its own, which takes twice the processor time of all else together. So this reads the answer
 * of one GET on a connection of its own (HTTP/1.1, RFC 9112), and leaves to a real client whatever is not plain about it. Runs in a
 * thread, see `Threads`: it uses nothing from around it.
 */
export function fetchWork(task: FetchTask, { fs, crypto, net, tls, tell }: Builtins): Promise<Made<Fetched>> {
  const LARGEST_HEAD = 64 * 1024;
  const TELL_EVERY = 8 * 2 ** 20;
  const url = new URL(task.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
  const hash = crypto.createHash('sha256');
  const file = fs.openSync(task.file, task.offset === 0 ? 'w' : 'r+');
  for (let at = 0; at < task.offset; ) {
    const step = fs.readSync(file, buffer, 0, Math.min(buffer.length, task.offset - at), at);
    if (step === 0) throw new Error(`${task.file} became shorter`);
    hash.update(buffer.subarray(0, step));
    at += step;
  }
  let at = task.offset;
  let untold = 0;
  const take = (bytes: Buffer): void => {
    hash.update(bytes);
    for (let done = 0; done < bytes.length; )
      done += fs.writeSync(file, bytes, done, bytes.length - done, at + done);
    at += bytes.length;
    untold += bytes.length;
    if (untold < TELL_EVERY) return;
    tell(untold);
    untold = 0;
  };
  /** The length that a plain answer tells; undefined for any other. */
  const lengthIn = (status: number, fields: ReadonlyMap<string, string>): number | undefined => {
    const length = Number(fields.get('content-length') ?? Number.NaN);
    const isPlain =
      Number.isSafeInteger(length) && !fields.has('transfer-encoding') && !fields.has('content-encoding');
    const isThere =
      task.offset === 0
        ? status === 200
        : status === 206 && fields.get('content-range')?.startsWith(`bytes ${task.offset}-`) === true;
    return isPlain && isThere ? length : undefined;
  };
  return new Promise<Made<Fetched>>((resolve, reject) => {
    let head: Buffer | undefined = Buffer.alloc(0);
    let end = Number.POSITIVE_INFINITY;
    const finish = (result: Fetched): void => {
      socket.destroy();
      if (untold > 0) tell(untold);
      resolve({ result });
    };
    const readHead = (bytes: Buffer): Buffer | undefined => {
      head = Buffer.concat([head ?? Buffer.alloc(0), bytes]);
      const blank = head.indexOf('\r\n\r\n');
      if (blank < 0) {
        if (head.length > LARGEST_HEAD) finish({ kind: 'other', status: 0, location: undefined });
        return undefined;
      }
      const [first = '', ...lines] = head.subarray(0, blank).toString('latin1').split('\r\n');
      const status = Number(/^HTTP\/1\.1 (\d{3})(?: |$)/.exec(first)?.[1] ?? 0);
      const fields = new Map(
        lines.map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
        }),
      );
      const length = lengthIn(status, fields);
      if (length === undefined) {
        finish({ kind: 'other', status, location: fields.get('location') });
        return undefined;
      }
      const rest = Buffer.from(head.subarray(blank + 4));
      end = at + length;
      head = undefined;
      return rest;
    };
    const receive = (count: number): boolean => {
      try {
        const bytes = buffer.subarray(0, count);
        const body = head === undefined ? bytes : readHead(bytes);
        if (body !== undefined) take(body.subarray(0, end - at));
        if (at === end) finish({ kind: 'whole', hex: hash.digest('hex'), size: at });
      } catch (error) {
        socket.destroy();
        reject(error);
      }
      return true;
    };
    const options = {
      host,
      port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
      onread: { buffer, callback: receive },
    };
    const named = net.isIP(host) === 0 ? { servername: host } : {};
    const socket =
      url.protocol === 'https:'
        ? tls.connect({ ...options, ...named, ALPNProtocols: ['http/1.1'] })
        : net.connect(options);
    socket.setTimeout(task.silence, () =>
      socket.destroy(new Error(`no byte within ${task.silence / 1000} s`)),
    );
    let why = 'the connection was closed';
    socket.on('error', (error) => {
      why = error.message;
    });
    // Threads believe fewer issuers of certificates than the process may be told to.
    const isUntrusted = (): boolean =>
      url.protocol === 'https:' && socket instanceof tls.TLSSocket && Boolean(socket.authorizationError);
    socket.on('close', () => {
      const broken: Fetched = { kind: 'broken', size: at, why };
      resolve({ result: isUntrusted() ? { kind: 'other', status: 0, location: undefined } : broken });
    });
    const range = task.offset === 0 ? {} : { range: `bytes=${task.offset}-` };
    const fields = { host: url.host, connection: 'close', ...task.headers, ...range };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
    socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  }).finally(() => fs.closeSync(file));
}
