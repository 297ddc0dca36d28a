import { join } from 'node:path';
import { tool } from '../../scripts/tools.ts';
import type { SiteDeps } from '../../src/deploy/locate.ts';
import type { DeployDeps } from '../../src/deploy/request.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { recordingLog } from './log.ts';

/** What a deploy on the machine of that folder is given. */
export function machineDeps(root: string): DeployDeps & SiteDeps {
  return {
    store: new LayoutStore(join(root, 'yard')),
    stateRoot: join(root, 'state'),
    env: { ...process.env, GITHUB_TOKEN: 'job-token', INPUT_RELEASE: 'x' },
    log: recordingLog(),
    signal: new AbortController().signal,
    node: join(root, 'node'),
    frontCode: async () => ({
      folder: join(root, 'dist'),
      files: ['package.json', 'front/index.js'],
      entry: 'front/index.js',
    }),
    uv: () => tool('uv'),
    mask: () => {},
    cause: { actor: 'alice', event: 'terminal' },
    isAncestor: async () => undefined,
    approve: async ([first = '']) => first,
  };
}
