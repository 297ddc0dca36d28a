import type { RunConfig } from '../records/run.ts';

/** Hugging Face's form of results; it wants a task and a data set, of which it may know nothing. */
export function modelIndex(
  name: string,
  task: string,
  metrics: RunConfig['metrics'],
  data: RunConfig['data'],
): unknown {
  const sets = Object.entries(data);
  const names = sets.map(([set]) => set).join(', ') || 'none named';
  const [[, revision = undefined] = []] = sets.length === 1 ? sets : [];
  return [
    {
      name,
      results: [
        {
          task: { type: task },
          dataset: { name: names, type: names, ...(revision !== undefined && { revision }) },
          metrics: Object.entries(metrics).map(([type, value]) => ({ type, value })),
        },
      ],
    },
  ];
}
