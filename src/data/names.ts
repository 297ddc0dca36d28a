import { EntryNames, nameProblem } from '../lib/archive/names.ts';

/** What is wrong with the paths of a data set, each told with its path; none when every system can have them all. */
export function pathProblems(paths: Iterable<string>): string[] {
  const names = new EntryNames();
  return [...paths].flatMap((path) => {
    const problem = nameProblem(path) ?? names.file(path);
    return problem === undefined ? [] : [`${JSON.stringify(path)} ${problem}`];
  });
}
