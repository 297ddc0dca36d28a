import { z } from 'zod';
import { defineAction } from '../github/action.ts';
import { type Reader, registryInputs, requiredText } from '../github/inputs.ts';
import { momentAt } from '../history/moment.ts';
import { readHistory } from '../history/read.ts';
import { UserError } from '../lib/errors.ts';
import { historySummary, historyText } from '../summary/history.ts';

/** GitHub cuts a job's outputs at 1 MB. */
const IN_OUTPUT = 500;

/** A time with its zone, as milliseconds since 1970; empty means now. */
const time: Reader<number> = (value, name) => {
  if (value === '') return Date.now();
  const [, day, clock, seconds = ':00', zone] =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/.exec(value) ?? [];
  const whole = `${day}T${clock}${seconds}`;
  const isTime = z.iso.datetime({ offset: true }).safeParse(`${whole}${zone ?? 'Z'}`).success;
  if (!isTime)
    throw new UserError(
      `input ${name} is ${JSON.stringify(value)}; give a time such as 2026-03-03T14:22Z or 2026-03-03T15:22+01:00, or nothing for now`,
    );
  if (zone === undefined)
    throw new UserError(
      `input ${name} is ${JSON.stringify(value)}, a time without a zone: add Z for UTC, or an offset such as +01:00`,
    );
  const found = Date.parse(`${whole}${zone}`);
  if (found <= Date.now()) return found;
  throw new UserError(
    `input ${name} is ${JSON.stringify(value)}, which is yet to come; leave it out for now`,
  );
};

/** What was live in an environment at a time, who brought it and why: from the store alone. */
export const action = defineAction({
  inputs: { name: requiredText, environment: requiredText, at: time, store: requiredText, ...registryInputs },
  async run({ name, environment, at: milliseconds, store: place }, { log, openStore }) {
    const store = await openStore(place, 'store');
    const entries = await readHistory(store, name, environment);
    const moment = momentAt(entries, milliseconds);
    const at = new Date(milliseconds).toISOString();
    const asked = { name, environment, at };
    log.info(historyText(asked, moment, entries));
    const { release, brought, underWay, otherwise, held } = moment;
    const short = entries
      .slice(-IN_OUTPUT)
      .map(({ checks: _, digest, ...entry }) => ({ ...entry, deployment: digest }));
    const told = {
      ...asked,
      release,
      since: brought?.endedAt ?? null,
      brought: brought?.digest ?? null,
      underWay: underWay?.digest ?? null,
      otherwise: otherwise?.digest ?? null,
      held,
      deployments: short,
    };
    return {
      outputs: {
        release: release ?? '',
        deployment: brought?.digest ?? '',
        history: JSON.stringify(told),
      },
      summary: historySummary(asked, moment, entries, store),
    };
  },
});
