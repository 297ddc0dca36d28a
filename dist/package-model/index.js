import { runStep } from '../index.js';

await runStep('package-model');
