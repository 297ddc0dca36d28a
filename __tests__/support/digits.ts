/** The example as a user's project, and a question to its server. */

import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { exampleData } from '../../scripts/example-data.ts';

const example = join(import.meta.dirname, '..', '..', 'examples', 'digits');
const LEFT_OUT = ['output', 'digits.csv', 'checkpoints', '__pycache__', '.venv'];

/** Copies the example to a folder, under another name if given, with ports that are free on this machine. */
export async function digitsProject(place: string, name = 'digits'): Promise<string> {
  await cp(example, place, { recursive: true, filter: (from) => !LEFT_OUT.includes(basename(from)) });
  if (name !== 'digits') {
    await edit(join(place, 'trainyard.yml'), (text) => text.replace('name: digits', `name: ${name}`));
  }
  for (const environment of ['staging', 'production']) {
    const port = await freePort();
    await edit(join(place, 'environments', `${environment}.yml`), (text) =>
      text.replace(/port: \d+/, `port: ${port}`),
    );
  }
  return place;
}

/** Changes the text of a file; throws when that changes nothing. */
export async function edit(file: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const changed = change(text);
  if (changed === text) throw new Error(`${file}: nothing changed`);
  await writeFile(file, changed);
}

export interface Answer {
  /** The digest of the release that answered. */
  readonly release: string;
  /** The label of line 1662 of the data, a four that looks like a nine: 9, or -1 where the threshold is above about 0.5. */
  readonly label: unknown;
}

/** Asks an endpoint for its release and for one prediction. */
export async function ask(endpoint: string): Promise<Answer> {
  const rows = (await readFile(join(await exampleData(), 'digits.csv'), 'utf8')).split('\n');
  const data = (rows[1661] ?? '').split(',').slice(0, 64).map(Number);
  const inputs = [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data }];
  const answer = await request(`${endpoint}/v2/models/digits/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs }),
  });
  const { release } = await request(`${endpoint}/.trainyard/release`);
  const output = answer.outputs.find(({ name }: { name: string }) => name === 'label');
  return { release, label: output?.data[0] };
}

async function request(url: string, init: RequestInit = {}) {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return JSON.parse(await response.text());
}

/** A port that nothing listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
