import type { Ledger } from '../../src/deploy/ledger.ts';

/**
 * The same ledger; once a step was written (`recorded` is the last), this process sends itself a signal, and there is no time for
 * anything else.
 */
export function killedAfter(ledger: Ledger, step: string, signal = 'SIGKILL'): Ledger {
  return {
    lock: async (abort) => {
      const hold = await ledger.lock(abort);
      return {
        ...hold,
        write: async (memory) => {
          // The record was written, and the journal would be forgotten now.
          if (step === 'recorded' && memory.journal === undefined) process.kill(process.pid, signal);
          await hold.write(memory);
          if (memory.journal?.step === step) process.kill(process.pid, signal);
        },
      };
    },
  };
}
