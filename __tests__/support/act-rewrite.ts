/** The workflow files that act runs are the real ones, but for what this file changes in a copy of them. */
import { parseDocument } from 'yaml';

const LIBRARY = 'trainyard/trainyard';

/**
 * Puts what act 0.2.89 does not know into words that it does: `uses: $/x` names the library and its tag; so does a job's
 * `uses: ./x`, which act would look for in the user's repository; `concurrency.queue`, which its schema refuses, is dropped, and so
 * is the commit to check out, without which act copies the repository as it stands.
 *
 * @param text a workflow file
 * @returns the same file, changed in those four things and in nothing else
 */
export function forAct(text: string): string {
  return text
    .replace(
      /^( +(?:- )?uses: )[$.]\/(\S+)/gm,
      (_, before: string, path: string) => `${before}${LIBRARY}/${path}@v1`,
    )
    .replace(/^ +queue: max\n/gm, '')
    .replace(/^ +ref: \$\{\{ inputs\.commit \}\}\n/gm, '');
}

/**
 * Stands in for "re-run failed jobs", which act can't do: a job that has succeeded is not run again, and the jobs after it
 * get the outputs that it had.
 *
 * @param text the workflow file that holds the job
 * @param job the job's id
 * @param outputs what it gave in the first attempt
 * @returns the workflow, in which that job does nothing but give these outputs
 */
export function finished(text: string, job: string, outputs: Record<string, string>): string {
  const document = parseDocument(text);
  const step = { run: 'true' };
  document.setIn(['jobs', job], { 'runs-on': 'ubuntu-24.04', permissions: {}, outputs, steps: [step] });
  return document.toString({ lineWidth: 0 });
}
