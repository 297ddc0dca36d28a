import { userErrors } from '../../lib/errors.ts';

/** One thing that was looked at before a training. */
export interface Finding {
  readonly what: string;
  /** What the trainer asks for, where it does. */
  readonly asked?: string;
  readonly found: string;
  readonly verdict: 'ok' | 'warning' | 'refused';
  /** What to do; of what is not ok. */
  readonly fix?: string;
}

/** Tells all that is wrong at once. @throws UserError when something is refused */
export function refuse(findings: readonly Finding[]): void {
  const refused = findings.filter(({ verdict }) => verdict === 'refused');
  if (refused.length === 0) return;
  throw userErrors(
    'this machine cannot train this',
    refused.map(({ what, asked, found, fix }) => {
      const sides = asked === undefined ? found : `asked for ${asked}, found ${found}`;
      return `${what}: ${sides}${fix === undefined ? '' : `; ${fix}`}`;
    }),
  );
}
