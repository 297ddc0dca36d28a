/** Cuts bytes into lines as they come; a line that is too long becomes a short one that says so. */
export class LineCutter {
  readonly #longest: number;
  #rest: Buffer = Buffer.alloc(0);

  /** @param longest a line may be, in bytes */
  constructor(longest = 2 ** 20) {
    this.#longest = longest;
  }

  /** The lines that end in these bytes, without their ends. */
  cut(chunk: Buffer): string[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const lines: string[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      lines.push(bytes.toString('utf8', start, end));
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > this.#longest) this.#rest = Buffer.from(`(longer than ${this.#longest} bytes)`);
    return lines;
  }

  /** What came after the last end of a line, which is forgotten with that; empty for nothing. */
  rest(): string {
    const text = this.#rest.toString('utf8');
    this.#rest = Buffer.alloc(0);
    return text;
  }
}
