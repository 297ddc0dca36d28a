/** Measures what the README promises of speed and size; see bench/main.ts. */
import { bench } from '../bench/main.ts';

process.exitCode = await bench(process.argv.slice(2));
