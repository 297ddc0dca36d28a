import { join } from 'node:path';

/** The program of the test server. */
export const SERVER = join(import.meta.dirname, 'server.mjs');
