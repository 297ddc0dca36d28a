import { hostname } from 'node:os';
import { z } from 'zod';
import { type Digest, hexOf } from '../../lib/digest.ts';
import { MachineError } from '../../lib/errors.ts';
import { ask, type HttpPlace } from '../../lib/http.ts';
import { tryJson } from '../../lib/json.ts';
import { digest } from '../../records/oci.ts';
import { type Ask, Refused, type Target } from '../target.ts';
import type { FrontClient } from './front-client.ts';
import { type Address, RELEASE_PATH, type ServerSpec, secretsMark } from './protocol.ts';

const served = z.object({ release: digest.nullable(), state: z.string().optional() });

export interface ProcessRelease {
  readonly release: Digest;
  readonly listen: Address;
  readonly secrets: Readonly<Record<string, string>>;
  /** Called when a server has to be started. */
  makeSpec(signal: AbortSignal): Promise<ServerSpec>;
}

/** One machine: the front takes the verbs of the rollout. */
export function processTarget(front: FrontClient, wanted: ProcessRelease): Target {
  const { host, port } = wanted.listen;
  const shown = isWildcard(host) ? hostname() : host;
  let asked = placeOf(wanted.listen);
  const inPublic: Ask = (request) => ask(asked, request);
  /** What serves after it may do so at another address than the release that is given up. */
  const goBack = async (verb: 'revert' | 'abandon'): Promise<void> => {
    const { live } = await front.tell(verb);
    if (live !== null) asked = placeOf(live.listen);
  };
  return {
    endpoint: `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`,
    public: inPublic,
    async serving() {
      const { live, salt } = await front.status();
      if (live === null) return undefined;
      const asWanted =
        live.state === 'up' &&
        live.listen.host === host &&
        live.listen.port === port &&
        live.secrets === secretsMark(salt, wanted.secrets);
      return { release: live.release, asWanted };
    },
    async identify(release, signal) {
      const { status, body } = await inPublic({ path: RELEASE_PATH, timeoutSeconds: 10, signal });
      const found = served.safeParse(tryJson(body)).data;
      if (found?.release !== release || found.state !== 'up')
        throw new Refused(`${RELEASE_PATH} answered ${status}: ${body.slice(0, 300)}`);
      return hexOf(release, 12);
    },
    async start(signal) {
      await front.start(await wanted.makeSpec(signal));
      const { candidate } = await front.whenDecided(signal);
      if (candidate === null) throw new MachineError('the front lost the server that it was starting');
      if (candidate.port === null)
        throw new Refused(candidate.problem ?? 'the server is not up', candidate.lines);
      const place = { host: '127.0.0.1', port: candidate.port };
      return (request) => ask(place, request);
    },
    switch: async () => void (await front.tell('switch')),
    commit: async () => void (await front.tell('commit')),
    revert: () => goBack('revert'),
    abandon: () => goBack('abandon'),
  };
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Where this machine asks what listens at an address. */
function placeOf({ host, port }: Address): HttpPlace {
  return { host: isWildcard(host) ? '127.0.0.1' : host, port };
}
