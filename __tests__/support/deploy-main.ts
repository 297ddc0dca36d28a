/** A deploy of its own process, which kills itself once a step is written. Arguments: the machine's folder, the release, the step. */
import { deploy } from '../../src/deploy/deploy.ts';
import { locate } from '../../src/deploy/locate.ts';
import type { Site } from '../../src/deploy/site.ts';
import { parseDigest } from '../../src/lib/digest.ts';
import { killedAfter } from './killed-after.ts';
import { machineDeps } from './machine-deps.ts';

const [root = '', release = '', step = ''] = process.argv.slice(2);

const deps = machineDeps(root);
const request = {
  release: parseDigest(release, 'release'),
  name: undefined,
  environment: undefined,
  byHand: true,
  lift: false,
};
const site: Site = await locate(request, deps);
await deploy(Object.assign(site, { ledger: killedAfter(site.ledger, step) }), request, deps);
