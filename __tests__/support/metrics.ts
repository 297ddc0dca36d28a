import { join } from 'node:path';
import type { MetricsPlaces } from '../../src/train/metrics/sources.ts';

/** Where a program writes metrics whose workspace is this folder. */
export function placesIn(folder: string): MetricsPlaces {
  const at = (name: string): string => join(folder, name);
  return {
    metrics: at('metrics.jsonl'),
    output: at('output'),
    checkpoints: at('checkpoints'),
    mlflow: at('mlflow'),
    earlier: at('earlier.jsonl'),
    directory: at('source'),
  };
}
