/**
 * Copies records with all that they stand on from a folder to a registry, as a stage's process does, once a line came on stdin:
 * `node copy-main.ts FOLDER HOST SCRATCH DIGEST…`. stdout gets a line when it is ready.
 */
import { once } from 'node:events';
import { parseDigest } from '../../src/lib/digest.ts';
import { copyRecord } from '../../src/store/copy.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { openOn } from './registries.ts';

const [folder = '', host = '', scratch = '', ...digests] = process.argv.slice(2);
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const { store } = openOn({ host }, scratch);
for (const digest of digests)
  await copyRecord(new LayoutStore(folder), store, parseDigest(digest, 'the argument'));
process.exit();
