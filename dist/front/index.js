import { runFront } from '../index.js';

await runFront(process.argv.slice(2));
