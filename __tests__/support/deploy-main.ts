/** A deploy of its own process, which kills itself once a step is written. Arguments: the machine's folder, the release, the step. */
import { deploy } from '../../src/deploy/deploy.ts';
import type { Ledger } from '../../src/deploy/ledger.ts';
import { locate } from '../../src/deploy/locate.ts';
import type { Site } from '../../src/deploy/site.ts';
import { parseDigest } from '../../src/lib/digest.ts';
import { machineDeps } from './machine-deps.ts';

const [root = '', release = '', step = ''] = process.argv.slice(2);

/** The same ledger; after the step was written there is no time for anything else. */
function killedAfter(ledger: Ledger): Ledger {
  return {
    lock: async (signal) => {
      const hold = await ledger.lock(signal);
      return {
        ...hold,
        write: async (memory) => {
          // The record was written, and the journal would be forgotten now.
          if (step === 'recorded' && memory.journal === undefined) process.kill(process.pid, 'SIGKILL');
          await hold.write(memory);
          if (memory.journal?.step === step) process.kill(process.pid, 'SIGKILL');
        },
      };
    },
  };
}

const deps = machineDeps(root);
const request = {
  release: parseDigest(release, 'release'),
  name: undefined,
  environment: undefined,
  byHand: true,
  lift: false,
};
const site: Site = await locate(request, deps);
await deploy(Object.assign(site, { ledger: killedAfter(site.ledger) }), request, deps);
