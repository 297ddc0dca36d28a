/** Whose certificates are believed: whose the process itself believes, wherever the bytes are moved. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../../src/lib/digest.ts';
import { copyBlob } from '../../../src/store/copy.ts';
import { LayoutStore } from '../../../src/store/layout.ts';
import { startOdd } from '../../support/registry-odd.ts';

/** As large as what is moved in a thread. */
const bytes = randomBytes(9_000_000);
const digest = digestOf(bytes);
const usual = getCACertificates('default');

let folder: string;
let certificate: string;
let storage: string;
let got: Buffer[];
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trust-'));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert, ...subject]);
  certificate = await readFile(cert, 'utf8');
  const options = { key: await readFile(key), cert: certificate };
  const server = createServer(options, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    got.push(Buffer.concat(chunks));
    if (request.method === 'PUT') response.writeHead(201).end();
    else response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close().closeAllConnections());
  const address = server.address();
  storage = `https://localhost:${address !== null && typeof address === 'object' ? address.port : 0}/blob`;
});
beforeEach(() => {
  got = [];
});
afterAll(async () => {
  setDefaultCACertificates(usual);
  for (const end of ends.reverse()) await end();
});

/** A registry that keeps its blobs at the storage. */
const start = () =>
  startOdd({
    instead: ({ method, path }) => {
      if (path.includes('/blobs/sha256:'))
        return method === 'HEAD' && got.length === 0
          ? { status: 404 }
          : { status: method === 'HEAD' ? 200 : 307, headers: { location: storage } };
      return method === 'POST' ? { status: 202, headers: { location: storage } } : undefined;
    },
  });

async function sendAndFetch(): Promise<Buffer> {
  const odd = await start();
  try {
    const file = join(folder, 'file');
    await writeFile(file, bytes);
    await odd.open().write({ file, how: 'copy' });
    const to = new LayoutStore(await mkdtemp(join(folder, 'layout-')));
    await copyBlob(odd.open(), to, { digest, size: bytes.length });
    return await readFile(to.pathOf(digest));
  } finally {
    await odd.close();
  }
}

describe('a storage with a certificate', () => {
  test('that nobody believes gets nothing, and the way to mend that is told', async () => {
    await expect(sendAndFetch()).rejects.toThrow(/the certificate of localhost:\d+ is not trusted.*CA_CERTS/);
    expect(got).toEqual([]);
  });

  test('that only this process believes, as those of the system, gets large blobs and gives them', async () => {
    setDefaultCACertificates([...usual, certificate]);
    expect((await sendAndFetch()).equals(bytes)).toBe(true);
    expect(got[0]?.equals(bytes)).toBe(true);
  });
});
