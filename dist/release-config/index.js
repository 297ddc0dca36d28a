import { runStep } from '../index.js';

await runStep('release-config');
