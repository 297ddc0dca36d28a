/**
 * A deploy of its own process, which sends itself a signal once a step is written. Arguments: the machine's folder, the release, the
 * step, the signal. It is cancelled as an action is. CLOCK_HOURS sets its clock forward, or back.
 */
import { deploy } from '../../src/deploy/deploy.ts';
import { locate } from '../../src/deploy/locate.ts';
import type { Site } from '../../src/deploy/site.ts';
import { cancellation } from '../../src/github/place.ts';
import { parseDigest } from '../../src/lib/digest.ts';
import { killedAfter } from './killed-after.ts';
import { machineDeps } from './machine-deps.ts';

const [root = '', release = '', step = '', signal = 'SIGKILL'] = process.argv.slice(2);

const ahead = Number(process.env.CLOCK_HOURS ?? 0) * 3_600_000;
globalThis.Date = new Proxy(Date, {
  construct: (real, given) => Reflect.construct(real, given.length === 0 ? [real.now() + ahead] : given),
  get: (real, key) => (key === 'now' ? () => real.now() + ahead : Reflect.get(real, key)),
});

const deps = { ...machineDeps(root), signal: cancellation() };
const request = {
  release: parseDigest(release, 'release'),
  name: undefined,
  environment: undefined,
  byHand: true,
  lift: false,
};
const site: Site = await locate(request, deps);
const ledger = killedAfter(site.ledger, step, signal);
const { rollout } = await deploy(Object.assign(site, { ledger }), request, deps);
console.log(rollout.outcome);
