import { type Asking, ask, ToolFailure } from './ask.ts';
import type { Gpu, GpuList, GpuProcess } from './gpu.ts';

const FORMAT = '--format=csv,noheader,nounits';
const FIELDS = ['index', 'uuid', 'name', 'memory.total', 'driver_version'];
const MIB = 2 ** 20;

/** Under MPS this server is on every card, and is nobody's work. */
const MPS = /nvidia-cuda-mps-server$/;

/**
 * NVIDIA's GPUs; undefined when the machine has no nvidia-smi. A card in MIG mode is not there itself, its slices are.
 * @throws MachineError when nvidia-smi fails or hangs
 */
export async function listNvidia(asking: Asking): Promise<GpuList | undefined> {
  const answers = await Promise.all([
    cards(asking),
    ask(['nvidia-smi', '-L'], asking).catch(none),
    ask(['nvidia-smi'], asking).catch(none),
  ]);
  const [rows, list, header] = answers;
  if (rows === undefined) return undefined;
  const slices = slicesOf(list ?? '');
  const gpus = rows.flatMap(([index, id = '', name = '', memory = '', driver, mig]): Gpu[] => {
    const known = { vendor: 'nvidia' as const, card: id, index: Number(index), ...(driver && { driver }) };
    const own = slices.filter(({ card }) => card === id);
    if (own.length > 0 || mig === 'Enabled')
      return own.map((slice) => ({ ...known, ...slice, name: `${name} ${slice.name}` }));
    const mebibytes = Number.parseInt(memory, 10);
    return [{ ...known, id, name, ...(mebibytes > 0 && { memoryBytes: mebibytes * MIB }) }];
  });
  const cuda = /CUDA (?:\w+ )?Version *: *([\d.]+)/.exec(header ?? '')?.[1];
  return { gpus, ...(cuda !== undefined && { cuda }) };
}

/**
 * The processes that compute on NVIDIA's cards. A process on a slice is reported for its card.
 * @throws MachineError when nvidia-smi fails or hangs
 */
export async function nvidiaProcesses(asking: Asking): Promise<GpuProcess[]> {
  const query = '--query-compute-apps=gpu_uuid,pid,process_name';
  const text = await ask(['nvidia-smi', query, FORMAT], asking).catch(noDevices);
  return rowsOf(text ?? '').flatMap(([card = '', pid = '', ...name]) => {
    // A card that can't tell has a row of `[Not Supported]`.
    if (!/^(GPU|MIG)-/.test(card) || !/^\d+$/.test(pid) || MPS.test(name.join(','))) return [];
    return [{ card, pid: Number(pid), name: name.join(', ') }];
  });
}

/** A driver from before MIG refuses a query that names it. */
async function cards(asking: Asking): Promise<string[][] | undefined> {
  const query = (fields: readonly string[]) =>
    ask(['nvidia-smi', `--query-gpu=${fields.join(',')}`, FORMAT], asking).catch(noDevices);
  const text = await query([...FIELDS, 'mig.mode.current']).catch((error: unknown) => {
    if (error instanceof ToolFailure && /not a valid field/.test(error.output)) return query(FIELDS);
    throw error;
  });
  return text === undefined ? undefined : rowsOf(text).filter(([, id]) => id?.startsWith('GPU-'));
}

/** `  MIG 1g.10gb Device 0: (UUID: MIG-…)` under its `GPU 0: NVIDIA H100 (UUID: GPU-…)`; the profile says how much memory it has. */
function slicesOf(list: string): Pick<Gpu, 'id' | 'card' | 'name' | 'memoryBytes'>[] {
  let card = '';
  return list.split('\n').flatMap((line) => {
    card = /^GPU \d+: .*\(UUID: (GPU-[^)]+)\)/.exec(line)?.[1] ?? card;
    const [, profile = '', id] = /^ +MIG (\S+) +Device +\d+: \(UUID: (MIG-[^)]+)\)/.exec(line) ?? [];
    if (id === undefined) return [];
    const gibibytes = Number(/(\d+)gb/.exec(profile)?.[1] ?? 0);
    return [{ card, id, name: `MIG ${profile}`, ...(gibibytes > 0 && { memoryBytes: gibibytes * 2 ** 30 }) }];
  });
}

function rowsOf(text: string): string[][] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => line.split(',').map((field) => field.trim()));
}

/** With a driver and no card, nvidia-smi fails in some versions. */
function noDevices(error: unknown): string {
  if (error instanceof ToolFailure && /No devices were found/i.test(error.output)) return '';
  throw error;
}

/** What is nice to know; the query before it says what is wrong. */
function none(): undefined {
  return undefined;
}
