import { main } from '../../src/deploy/process/front-main.ts';

await main(process.argv.slice(2));
