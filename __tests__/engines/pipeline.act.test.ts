/** The templates as they stand, on the distribution registry itself, and what oras sees there. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { kinds } from '../../src/records/kinds.ts';
import { startDistribution } from '../support/distribution.ts';
import { describeLine } from '../support/registry-line.ts';

interface Referrers {
  readonly digest: string;
  readonly artifactType: string;
  readonly referrers?: readonly Referrers[];
}

describeLine(
  'the distribution registry',
  () => startDistribution(),
  (line) => {
    test('oras discover prints the tree from trainer to deployment', async () => {
      const { registry, trainer, run, release } = line();
      const discover = async (format: string): Promise<string> => {
        const reference = `${registry.host}/acme/digits@${trainer}`;
        const args = ['discover', '--plain-http', '--format', format, reference];
        return (await promisify(execFile)(await tool('oras'), args)).stdout;
      };
      const found: string[] = [];
      const walk = ({ digest, artifactType, referrers = [] }: Referrers, depth: number): void => {
        if (artifactType !== kinds.source.artifactType) found[depth] = `${artifactType} ${digest}`;
        for (const child of referrers) walk(child, depth + 1);
      };
      walk(JSON.parse(await discover('json')), 0);
      expect(found).toEqual([
        expect.stringContaining(trainer),
        `${kinds.run.artifactType} ${run}`,
        expect.stringContaining(kinds.package.artifactType),
        `${kinds.release.artifactType} ${release}`,
        expect.stringContaining(kinds.deployment.artifactType),
      ]);
      const tree = await discover('tree');
      const lines = found.slice(1).map((text) => tree.indexOf(text.split(' ')[1] ?? ''));
      expect(lines).toEqual([...lines].sort((a, b) => a - b));
      expect(lines).not.toContain(-1);
    });
  },
);
