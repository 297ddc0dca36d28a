import { z } from 'zod';
import { tryJson } from '../../lib/json.ts';
import { type Asking, ask } from './ask.ts';
import type { Gpu, GpuList, GpuProcess } from './gpu.ts';

const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };

/** Of amd-smi, a list or, in later versions, one inside an object. */
const listed = <T extends z.ZodType>(item: T) =>
  z.union([z.array(item), z.object({ gpu_data: z.array(item) }).transform(({ gpu_data }) => gpu_data)]);
const cards = listed(
  z.object({
    gpu: z.number(),
    asic: z.object({ market_name: z.string() }).optional().catch(undefined),
    bus: z.object({ bdf: z.string() }).optional().catch(undefined),
    driver: z.object({ version: z.string() }).optional().catch(undefined),
    vram: z
      .object({ size: z.object({ value: z.number(), unit: z.string() }) })
      .optional()
      .catch(undefined),
  }),
);
const processInfo = z.object({ pid: z.number(), name: z.string().default('') });
const processes = listed(z.object({ gpu: z.number(), process_list: z.array(z.unknown()).default([]) }));
const oldCards = z.record(z.string(), z.record(z.string(), z.string()));

/**
 * AMD's GPUs, by amd-smi or the older rocm-smi; undefined when the machine has neither.
 * @throws MachineError when the tool fails or hangs
 */
export async function listAmd(asking: Asking): Promise<GpuList | undefined> {
  const parts = ['--asic', '--bus', '--driver', '--vram'];
  const text = await ask(['amd-smi', 'static', ...parts, '--json'], asking);
  if (text === undefined) return listByOldTool(asking);
  const gpus = (cards.safeParse(jsonOf(text)).data ?? []).map(({ gpu, asic, bus, driver, vram }) =>
    cardOf(gpu, {
      name: asic?.market_name,
      bus: bus?.bdf,
      driver: driver?.version,
      memoryBytes: vram === undefined ? undefined : vram.size.value * (UNITS[vram.size.unit] ?? 0),
    }),
  );
  return { gpus };
}

/**
 * The processes that compute on AMD's cards.
 * @throws MachineError when the tool fails or hangs
 */
export async function amdProcesses(asking: Asking): Promise<GpuProcess[]> {
  const text = await ask(['amd-smi', 'process', '--json'], asking);
  if (text === undefined) return processesByOldTool(asking);
  return (processes.safeParse(jsonOf(text)).data ?? []).flatMap(({ gpu, process_list }) =>
    process_list.flatMap((entry) => {
      // An idle card has a sentence in place of the facts.
      const { data } = z.union([z.object({ process_info: processInfo }), processInfo]).safeParse(entry);
      if (data === undefined) return [];
      const { pid, name } = 'process_info' in data ? data.process_info : data;
      return [{ card: `${gpu}`, pid, name }];
    }),
  );
}

async function listByOldTool(asking: Asking): Promise<GpuList | undefined> {
  const shown = ['--showproductname', '--showbus', '--showmeminfo', 'vram', '--showdriverversion'];
  const text = await ask(['rocm-smi', ...shown, '--json'], asking);
  if (text === undefined) return undefined;
  const answer = oldCards.safeParse(jsonOf(text)).data ?? {};
  const gpus = Object.entries(answer).flatMap(([key, card]) => {
    const index = /^card(\d+)$/.exec(key)?.[1];
    if (index === undefined) return [];
    const memory = Number(card['VRAM Total Memory (B)'] ?? 0);
    return cardOf(Number(index), {
      name: card['Card Series'] ?? card['Card series'],
      bus: card['PCI Bus'],
      driver: answer.system?.['Driver version'],
      memoryBytes: memory,
    });
  });
  return { gpus };
}

/** `PID 4711 is using 2 DRM device(s):` and a line with `0 1`. */
async function processesByOldTool(asking: Asking): Promise<GpuProcess[]> {
  const text = (await ask(['rocm-smi', '--showpidgpus'], asking)) ?? '';
  return [...text.matchAll(/PID (\d+) is using \d+ DRM device\(s\):\s*\n([\d \t]+)/g)].flatMap(
    ([, pid, numbers = '']) =>
      numbers
        .trim()
        .split(/\s+/)
        .map((card) => ({ card, pid: Number(pid), name: '' })),
  );
}

function cardOf(
  index: number,
  facts: { [K in 'name' | 'bus' | 'driver']: string | undefined } & { memoryBytes: number | undefined },
): Gpu {
  const { name = 'AMD GPU', bus, driver, memoryBytes = 0 } = facts;
  return {
    vendor: 'amd',
    id: `${index}`,
    card: `${index}`,
    index,
    name,
    ...(memoryBytes > 0 && { memoryBytes }),
    ...(bus !== undefined && { bus: bus.toLowerCase() }),
    ...(driver !== undefined && { driver }),
  };
}

/** Both tools print warnings before the JSON at times. */
function jsonOf(text: string): unknown {
  return tryJson(text.slice(Math.max(0, text.search(/^[[{]/m))));
}
