import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';

const place = join(import.meta.dirname, '../../src/github/place.ts');
const PROGRAM = `
import { cancellation } from ${JSON.stringify(place)};
const signal = cancellation();
signal.addEventListener('abort', () => setTimeout(() => { console.log('in good order'); process.exit(3); }, 1000));
setInterval(() => {}, 1000);
console.log('up');
`;

test.each([['SIGINT'], ['SIGTERM']] as const)(
  'after %s, further signals disturb no orderly end',
  async (first) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM]);
    const printed = text(child.stdout);
    await once(child.stdout, 'data');
    child.kill(first);
    for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM'] as const) {
      await sleep(50);
      child.kill(signal);
    }
    expect(await once(child, 'exit')).toEqual([3, null]);
    expect(await printed).toMatch(/in good order/);
  },
);
