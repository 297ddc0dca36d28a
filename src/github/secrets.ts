import { UserError } from '../lib/errors.ts';
import { formsOf, hideSecrets, hidingProblem } from '../lib/hide.ts';
import type { Log } from '../lib/log.ts';
import type { Job, Outcome } from './action.ts';
import { readable } from './markdown.ts';

/** What keeps the secrets of an action out of all that it says. */
export interface Guard {
  /** The action's job: what it masks is hidden from here on, at a terminal as well. */
  readonly job: Job;
  hide(text: string): string;
  /** @throws UserError naming the output, or the summary, in which the value of a secret stands */
  check(outcome: Outcome): void;
}

/**
 * Watches what an action masks. A value that cannot be hidden without harm is told by its name: one of up to three characters is not
 * masked at all, and one that is common text is, but does not stop an output that holds it.
 */
export function guardSecrets(job: Job): Guard {
  const secrets = new Map<string, string>();
  let hide = (text: string): string => text;
  const mask = (value: string, name = 'a secret'): void => {
    const problem = hidingProblem(value);
    if (problem === 'short')
      job.log.warning(
        `the value of ${name} has fewer than 4 characters, so it is not hidden in the log: all that happens to be alike would be, too. Choose a longer one`,
      );
    if (problem === 'common')
      job.log.warning(
        `the value of ${name} is a word that stands in every log: hiding it blanks what is no secret, and tells what it is. Choose another one`,
      );
    if (problem === 'short') return;
    job.mask(value);
    if (problem !== undefined) return;
    secrets.set(value, name);
    hide = hideSecrets(secrets.keys());
  };
  const log: Log = {
    info: (line) => job.log.info(hide(line)),
    warning: (line) => job.log.warning(hide(line)),
    group: (title, work) => job.log.group(hide(title), work),
  };
  return {
    job: { ...job, log, mask },
    hide: (text) => hide(text),
    check: ({ outputs, summary }) => {
      for (const [output, text] of Object.entries(outputs)) refuse(`the output ${output}`, [text], secrets);
      refuse('the summary', [summary, readable(summary)], secrets);
    },
  };
}

function refuse(place: string, texts: readonly string[], secrets: ReadonlyMap<string, string>): void {
  for (const [value, name] of secrets)
    if (formsOf(value).some((form) => texts.some((text) => text.includes(form))))
      throw new UserError(
        `${place} holds the value of ${name}, so neither outputs nor summary are written. What was done stays done. Take the value out of the place that it came from, or withdraw it and give the secret another one`,
      );
}
