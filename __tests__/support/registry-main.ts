/**
 * The registry as a process of its own: `node registry-main.ts [--dir FOLDER] [--port N] [--options JSON]`, the options those of
 * startRegistry. The first line of stdout is its host; SIGTERM ends it.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { startRegistry } from './registry.ts';

const { values } = parseArgs({
  options: { dir: { type: 'string' }, port: { type: 'string' }, options: { type: 'string' } },
});
const registry = await startRegistry({
  ...JSON.parse(values.options ?? '{}'),
  ...(values.dir !== undefined && { dir: values.dir }),
  port: Number(values.port ?? 0),
});
process.stdout.write(`${registry.host}\n`);
await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
await registry.close();
