import type { Ledger } from '../../src/deploy/ledger.ts';

/** The same ledger; once a step was written (`recorded` is the last), this process kills itself, so that there is no time for anything else. */
export function killedAfter(ledger: Ledger, step: string): Ledger {
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
