/**
 * The results service as a process of its own: `node results-service-main.ts [--dir FOLDER] [--port N]`.
 * The first line of stdout is its URL; SIGTERM ends it.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { startResultsService } from './results-service.ts';

const { values } = parseArgs({ options: { dir: { type: 'string' }, port: { type: 'string' } } });
const service = await startResultsService({ dir: values.dir, port: Number(values.port ?? 0) });
process.stdout.write(`${service.url}\n`);
await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
await service.close();
