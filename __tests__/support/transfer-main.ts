/**
 * Pushes a file to `oci://HOST/acme/memory`, reads it back as a stream and into a folder, and prints the most memory that this process
 * ever had, in bytes, before and after: `node transfer-main.ts HOST FILE FOLDER`.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { copyBlob } from '../../src/store/copy.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { openOn } from './registries.ts';

const [host = '', file = '', folder = ''] = process.argv.slice(2);
const most = (): number => process.resourceUsage().maxRSS * 1024;
const before = most();
const open = () => openOn({ host }, folder, { repository: 'acme/memory' }).store;
const blob = await open().write({ file, how: 'copy' });
const hash = createHash('sha256');
for await (const chunk of await open().read(blob.digest)) hash.update(chunk);
if (`sha256:${hash.digest('hex')}` !== blob.digest) throw new Error('other bytes came');
await copyBlob(open(), new LayoutStore(join(folder, 'layout')), blob);
process.stdout.write(`${before} ${most()}\n`);
