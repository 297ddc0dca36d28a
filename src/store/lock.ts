import type { Lock } from '../lib/python.ts';
import type { ProgramEnvironment } from '../records/program.ts';
import { readBytes } from './records.ts';
import type { Store } from './store.ts';

/** Reads what a program's environment is made of, verified. */
export async function readLock(store: Store, environment: ProgramEnvironment): Promise<Lock> {
  switch (environment.kind) {
    case 'requirements':
      return { kind: 'requirements', requirements: await readBytes(store, environment.lock) };
    case 'uv': {
      const { lock, project, groups } = environment;
      return {
        kind: 'uv',
        lock: await readBytes(store, lock),
        project: await readBytes(store, project),
        groups,
      };
    }
  }
}
