import { hostname } from 'node:os';
import type { Digest } from '../../lib/digest.ts';
import { MachineError } from '../../lib/errors.ts';
import { Refused, type Target } from '../target.ts';
import type { FrontClient } from './front-client.ts';
import { type Address, type ServerSpec, secretsMark } from './protocol.ts';

export interface ProcessRelease {
  readonly release: Digest;
  readonly listen: Address;
  readonly secrets: Readonly<Record<string, string>>;
  /** Called when a server has to be started. */
  makeSpec(): Promise<ServerSpec>;
}

/** One machine: the front takes the verbs of the rollout. */
export function processTarget(front: FrontClient, wanted: ProcessRelease): Target {
  const { host, port } = wanted.listen;
  const isWildcard = host === '0.0.0.0' || host === '::';
  const shown = isWildcard ? hostname() : host;
  return {
    endpoint: `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`,
    public: { host: isWildcard ? '127.0.0.1' : host, port },
    async serving() {
      const status = await front.status();
      // A deploy that was cut off between switch and commit never said that the new one may stay.
      const { live, salt } = status.previous === undefined ? status : await front.tell('revert');
      if (live === null) return undefined;
      const asWanted =
        live.state === 'up' &&
        live.listen.host === host &&
        live.listen.port === port &&
        live.secrets === secretsMark(salt, wanted.secrets);
      return { release: live.release, asWanted };
    },
    async start(signal) {
      await front.start(await wanted.makeSpec());
      const { candidate } = await front.whenDecided(signal);
      if (candidate === null) throw new MachineError('the front lost the server that it was starting');
      if (candidate.port === null)
        throw new Refused(candidate.problem ?? 'the server is not up', candidate.lines);
      return { host: '127.0.0.1', port: candidate.port };
    },
    switch: async () => void (await front.tell('switch')),
    commit: async () => void (await front.tell('commit')),
    revert: async () => void (await front.tell('revert')),
    abandon: async () => void (await front.tell('abandon')),
  };
}
