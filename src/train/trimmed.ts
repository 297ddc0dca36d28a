import type { ProgramConsole } from '../lib/log.ts';

const WINDOW_MS = 10_000;
/** What of one window is shown; as much as people read, and a page of a log can hold. */
const WINDOW_LINES = 1000;
const WINDOW_BYTES = 256 * 1024;
const TOTAL_BYTES = 32 * 2 ** 20;
/** What is shown of the end, when it was left out. */
const LAST_LINES = 20;
const LAST_BYTES = 8 * 1024;
const NEWLINE = 10;

/** A console that shows as much of a program's lines as people can read, and says how many it left out. The log has them all. */
export class TrimmedConsole {
  readonly #console: ProgramConsole;
  readonly #now: () => number;
  #windowEnd = 0;
  #lines = 0;
  #bytes = 0;
  #total = TOTAL_BYTES;
  /** The lines that were left out since the last one that was shown, undefined for none, and the end of them. */
  #out: number | undefined;
  #tail: Buffer = Buffer.alloc(0);

  /** @param now a clock in milliseconds that never jumps */
  constructor(console: ProgramConsole, now: () => number = () => performance.now()) {
    this.#console = console;
    this.#now = now;
  }

  /** Shows what there is room for. */
  write(chunk: Buffer): void {
    if (this.#now() >= this.#windowEnd) this.#open();
    let rest = chunk;
    if (this.#out !== undefined && this.#hasRoom()) {
      // The console goes on with a whole line.
      const end = rest.indexOf(NEWLINE) + 1;
      this.#leaveOut(end === 0 ? rest : rest.subarray(0, end));
      if (end === 0) return;
      this.#tellOut();
      rest = rest.subarray(end);
    }
    const end = this.#out === undefined ? this.#room(rest) : 0;
    if (end > 0) this.#console.write(Buffer.from(rest.subarray(0, end)));
    if (end < rest.length) this.#leaveOut(rest.subarray(end));
  }

  /** A line of ours is always shown. */
  say(line: string): void {
    this.#console.say(line);
  }

  /** Shows the last lines, where they were left out. */
  finish(): void {
    if (this.#out === undefined) return;
    const lines = this.#tail.toString('utf8').split('\n');
    const isWhole = lines.at(-1) === '';
    const shown = lines.slice(isWhole ? -LAST_LINES - 1 : -LAST_LINES).join('\n');
    const count = Math.min(LAST_LINES, lines.length - (isWhole ? 1 : 0));
    this.#out = Math.max(0, this.#out - count + (isWhole ? 0 : 1));
    this.#tellOut();
    this.#console.write(Buffer.from(shown));
  }

  #open(): void {
    this.#windowEnd = this.#now() + WINDOW_MS;
    this.#lines = WINDOW_LINES;
    this.#bytes = Math.min(WINDOW_BYTES, this.#total);
  }

  #hasRoom(): boolean {
    return this.#lines > 0 && this.#bytes > 0;
  }

  /** How many of the bytes may be shown; takes them from the window. */
  #room(chunk: Buffer): number {
    let end = 0;
    while (end < chunk.length && this.#hasRoom()) {
      const next = chunk.indexOf(NEWLINE, end) + 1;
      const length = Math.min((next === 0 ? chunk.length : next) - end, this.#bytes);
      end += length;
      this.#bytes -= length;
      this.#total -= length;
      if (chunk[end - 1] === NEWLINE) this.#lines -= 1;
    }
    return end;
  }

  #leaveOut(bytes: Buffer): void {
    let count = 0;
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
    this.#out = (this.#out ?? 0) + count;
    this.#tail = Buffer.concat([this.#tail, bytes.subarray(-LAST_BYTES)]).subarray(-LAST_BYTES);
  }

  #tellOut(): void {
    const count = this.#out ?? 0;
    const what = count === 0 ? 'the rest of a line is' : `${count.toLocaleString('en')} lines are`;
    this.#console.say(`(${what} left out here; the log of the Run has all)`);
    this.#out = undefined;
    this.#tail = Buffer.alloc(0);
  }
}
