/** Whether two names differ by case, or by one or two letters that were typed wrong. */
export function isNear(a: string, b: string): boolean {
  const [one, two] = [a.toUpperCase(), b.toUpperCase()];
  const most = Math.min(one.length, two.length) < 5 ? 1 : 2;
  return Math.abs(one.length - two.length) <= most && distance(one, two) <= most;
}

/** Letters to insert, remove or change (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  [...a].forEach((letter, i) => {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++)
      next.push(
        Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === b[j] ? 0 : 1)),
      );
    row = next;
  });
  return row[b.length] ?? 0;
}
