import { join } from 'node:path';
import { Collected } from './collected.ts';
import { HuggingFace } from './hugging-face.ts';
import { JsonLines } from './json-lines.ts';
import { MlflowFolder } from './mlflow.ts';
import type { Source } from './source.ts';
import { TensorBoard } from './tensorboard.ts';

/** Where a program may write metrics. */
export interface MetricsPlaces {
  /** JSON Lines; in the end it has the points of all sources. Files of ours lie beside it. */
  readonly metrics: string;
  readonly output: string;
  readonly checkpoints: string;
  /** The folder that MLFLOW_TRACKING_URI names, where it is ours. */
  readonly mlflow: string;
  /** What the segments before had, as JSON Lines; there need not be such a file. */
  readonly earlier: string;
  /** The folder that the program is started in. */
  readonly directory: string;
}

/** All sources; where several have a metric of the same name, that of the first one counts. */
export function sourcesOf({ metrics, output, checkpoints, mlflow, directory }: MetricsPlaces): Collected[] {
  const logs = ['runs', 'lightning_logs'].map((name) => join(directory, name));
  const collect = (source: Source, name: string): Collected =>
    new Collected(source, `${metrics}.${name}.jsonl`);
  return [
    new Collected(new JsonLines(metrics), undefined),
    collect(new HuggingFace([checkpoints, output]), 'hugging-face'),
    collect(new MlflowFolder(mlflow), 'mlflow'),
    collect(new TensorBoard([output, checkpoints, ...logs]), 'tensorboard'),
  ];
}
