/** The step of a checkpoint: the last number in its name, as in `checkpoint-1500` and `epoch=3-step=1200.ckpt`, else that of the metrics. */
export function stepOf(name: string, metrics: Readonly<Record<string, number>>): number | undefined {
  const named = /(\d+)\D*$/.exec(name.replace(/\.[a-z]\w*$/i, ''))?.[1];
  return named === undefined ? metrics.step : Number(named);
}
