/** How long something has given no sign, as one sees who looks again and again. */
export class Silence {
  readonly #longest: number;
  #sign: string | undefined;
  #silent = 0;
  #before: number | undefined;

  /**
   * @param longest what one look may add at most, in milliseconds: longer was not the program silent, but this process or the
   * whole machine stopped
   */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /**
   * Looks at the sign; another one than before ends the silence.
   * @param now a clock that never goes back, in milliseconds
   * @returns the silence up to now, in milliseconds
   */
  after(now: number, sign: string): number {
    const passed = now - (this.#before ?? now);
    this.#before = now;
    this.#silent = sign === this.#sign ? this.#silent + Math.min(passed, this.#longest) : 0;
    this.#sign = sign;
    return this.#silent;
  }
}
