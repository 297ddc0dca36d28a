/**
 * Sets up the tools of others that read our stores, then runs the tests with them. The first argument may be how the names of some test
 * files begin, such as `kubernetes`; options go to jest.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { testImages } from '../__tests__/support/cluster/images.ts';
import { chromium } from './chromium.ts';
import { containerd, containerTools, kubernetesPrograms } from './kubernetes.ts';
import { pythonOf } from './python.ts';
import { skopeo } from './skopeo.ts';
import { slurm } from './slurm.ts';
import { tool } from './tools.ts';
import { torch } from './torch.ts';

/** One after the other: a build of Go's takes all cores by itself. */
const TOOLS = ['oras', 'crane', 'modctl', 'registry', 'conformance', 'model-spec', 'etcd'] as const;
const PYTHONS = ['trackers', 'dvc', 'frameworks', 'torch-frameworks'];
const root = join(import.meta.dirname, '..');

try {
  console.log('Setting up the tools; the first time takes many minutes, most of them for Kubernetes …');
  for (const name of TOOLS) console.log(`  ${await tool(name)}`);
  console.log(`  ${await skopeo()}`);
  console.log(`  ${await chromium()}`);
  for (const name of PYTHONS) console.log(`  ${await pythonOf(name)}`);
  console.log(`  ${(await torch()).PYTHONPATH}`);
  console.log(`  ${(await slurm()).bin}`);
  for (const part of [containerTools, containerd, kubernetesPrograms]) console.log(`  ${await part()}`);
  console.log(`  ${(await testImages()).storage}`);
  // The usual configuration leaves these tests out.
  const [first = '', ...others] = process.argv.slice(2);
  const [name, options] = first.startsWith('-') ? ['', [first, ...others]] : [first, others];
  const which = ['--testPathIgnorePatterns=/node_modules/', `--testPathPatterns=__tests__/engines/${name}`];
  const args = [join('scripts', 'test.ts'), ...which, ...options];
  const { status } = spawnSync('node', args, { cwd: root, stdio: 'inherit' });
  process.exitCode = status ?? 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
