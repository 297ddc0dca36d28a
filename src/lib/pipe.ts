import { closeSync, constants, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { run } from './process.ts';

const BUFFER = 2 ** 16;
/** More than is ever on its way between the pipe and its reader: two buffers, and one that is read into. */
const RING = 8 * BUFFER;
/** What brings less is followed by a pause, so that the next time brings more. */
const SMALL = 2 ** 14;
const PAUSE_MS = 4;

/** A pipe of the kernel's own kind between a program's output and us. */
export interface Pipe {
  /** What is written into the pipe, each chunk until the next is asked for; ends once nobody holds the other end any more. */
  readonly reader: Readable;
  /** The end for a child's output; close it here once the child has it. */
  readonly writer: number;
  close(): void;
}

/**
 * Makes a pipe. The sockets that Node gives its children can't be opened as /dev/stderr, hold few short lines, and wake their reader
 * for each. This one is read in pauses, so that short lines come by the thousand, and cost their writer nothing.
 * @param path a name that is free; it is taken for a moment
 * @throws CommandError when the name cannot be made
 */
export async function openPipe(path: string): Promise<Pipe> {
  await run(['mkfifo', '-m', '600', path]);
  try {
    // The reader first and without waiting: else opening waits for the other end.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(path, constants.O_WRONLY);
    return { reader: pausing(fd), writer, close: () => closeSync(writer) };
  } finally {
    await rm(path, { force: true });
  }
}

function pausing(fd: number): Readable {
  let pause = 0;
  let at = 0;
  const ring = Buffer.allocUnsafeSlow(RING);
  const onread = {
    buffer: Buffer.allocUnsafeSlow(BUFFER),
    callback: (count: number, buffer: Uint8Array): boolean => {
      pause = count < SMALL ? PAUSE_MS : 0;
      if (at + count > RING) at = 0;
      ring.set(buffer.subarray(0, count), at);
      reader.push(ring.subarray(at, at + count));
      at += count;
      return false;
    },
  };
  const socket = new Socket({ fd, readable: true, writable: false, onread });
  const reader = new Readable({
    highWaterMark: BUFFER,
    read: () => void (pause === 0 ? socket.resume() : setTimeout(() => socket.resume(), pause)),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on('end', () => reader.push(null));
  socket.on('error', (error) => reader.destroy(error));
  return reader;
}
