/**
 * Pushes and pulls against a registry that fails at random; see __tests__/support/soak.ts. `--minutes N` (20), `--seed N`,
 * `--round SECONDS` (75) after which all must be there and the next one begins.
 */
import { parseArgs } from 'node:util';
import { soak } from '../__tests__/support/soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    seed: { type: 'string' },
    round: { type: 'string' },
  },
});
const totals = await soak({
  seconds: Number(values.minutes) * 60,
  seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed),
  ...(values.round !== undefined && { roundSeconds: Number(values.round) }),
  say: console.log,
});
process.exitCode = totals.losses.length === 0 ? 0 : 1;
