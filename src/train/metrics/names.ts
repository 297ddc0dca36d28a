/** Tells apart what several folders call by one name: the first has the name, the others get theirs in front. */
export class Names {
  readonly #first = new Map<string, string>();

  /**
   * @param folder in which the metric was written
   * @param label what people call the folder
   */
  of(folder: string, label: string, name: string): string {
    const first = this.#first.get(name) ?? folder;
    // Names without end are refused elsewhere; here they must not fill the memory.
    if (this.#first.size < 10_000) this.#first.set(name, first);
    return first === folder ? name : `${label}/${name}`;
  }
}
