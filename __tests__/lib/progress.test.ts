import { describe, expect, test } from '@jest/globals';
import { bytesText, Meter } from '../../src/lib/progress.ts';
import { recordingLog } from '../support/log.ts';

const MB = 1_000_000;

function meter() {
  const log = recordingLog();
  let time = 1000;
  return {
    log,
    meter: new Meter(log, 'pushed', () => time),
    wait: (seconds: number) => {
      time += seconds * 1000;
    },
  };
}

describe('the progress of transfers', () => {
  test('is told every five seconds, and not oftener', () => {
    const { log, meter: one, wait } = meter();
    const transfer = one.start(1000 * MB);
    for (let n = 0; n < 100; n++) {
      wait(0.2);
      transfer.moved(2 * MB);
    }
    expect(log.lines).toEqual([
      'pushed 50 MB of 1.0 GB, 10 MB/s, 2 min left',
      'pushed 100 MB of 1.0 GB, 10 MB/s, 2 min left',
      'pushed 150 MB of 1.0 GB, 10 MB/s, 85 s left',
      'pushed 200 MB of 1.0 GB, 10 MB/s, 80 s left',
    ]);
  });

  test('is that of all together', () => {
    const { log, meter: all, wait } = meter();
    const [a, b] = [all.start(300 * MB), all.start(700 * MB)];
    wait(10);
    a.moved(300 * MB);
    a.end();
    b.moved(0);
    wait(10);
    b.moved(200 * MB);
    expect(log.lines).toEqual([
      'pushed 300 MB of 1.0 GB, 30 MB/s, 24 s left',
      'pushed 500 MB of 1.0 GB, 25 MB/s, 20 s left',
    ]);
  });

  test('has no end where nobody knows the size', () => {
    const { log, meter: one, wait } = meter();
    const transfer = one.start(undefined);
    wait(6);
    transfer.moved(12 * MB);
    expect(log.lines).toEqual(['pushed 12 MB, 2.0 MB/s']);
  });

  test('goes back when something is sent again', () => {
    const { log, meter: one, wait } = meter();
    const transfer = one.start(100 * MB);
    transfer.moved(60 * MB);
    transfer.moved(-60 * MB);
    wait(5);
    transfer.moved(20 * MB);
    expect(log.lines).toEqual(['pushed 20 MB of 100 MB, 4.0 MB/s, 20 s left']);
  });

  test('of little is not told, and begins anew after a rest', () => {
    const { log, meter: one, wait } = meter();
    const first = one.start(10 * MB);
    wait(1);
    first.moved(10 * MB);
    first.end();
    wait(3600);
    const second = one.start(100 * MB);
    second.moved(MB);
    wait(5);
    second.moved(9 * MB);
    expect(log.lines).toEqual(['pushed 10 MB of 100 MB, 2.0 MB/s, 45 s left']);
  });

  test('is told in minutes and hours where it takes so long', () => {
    const { log, meter: one, wait } = meter();
    const transfer = one.start(10_000 * MB);
    wait(10);
    transfer.moved(10 * MB);
    wait(10);
    transfer.moved(90 * MB);
    expect(log.lines).toEqual([
      'pushed 10 MB of 10 GB, 1.0 MB/s, 2.8 h left',
      'pushed 100 MB of 10 GB, 5.0 MB/s, 33 min left',
    ]);
  });
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [99_499, '99 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [12_345_678, '12 MB'],
  [40e9, '40 GB'],
  [1.2e12, '1.2 TB'],
  [5e15, '5000 TB'],
])('%d bytes are %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});
