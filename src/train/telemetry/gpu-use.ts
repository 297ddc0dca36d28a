import { type Asking, ask } from '../gpus/ask.ts';
import type { Gpu } from '../gpus/gpu.ts';

const QUERY = '--query-gpu=uuid,utilization.gpu,memory.used,power.draw';
const FORMAT = '--format=csv,noheader,nounits';
const MIB = 2 ** 20;

/** Use, memory and power of cards, sampled. NVIDIA's only; slices of a card have no use or power of their own. */
export class GpuUse {
  readonly #cards: readonly string[];
  readonly #asking: Asking;
  #uses = 0;
  #sum = 0;
  #joules: number | undefined;
  /** What the cards drew when they were asked last, in watts, and when that was. */
  #watts = 0;
  #before = performance.now();
  memoryPeakBytes: number | undefined;

  constructor(gpus: readonly Gpu[], asking: Asking) {
    this.#cards = gpus
      .filter(({ vendor, id, card }) => vendor === 'nvidia' && id === card)
      .map(({ id }) => id);
    this.#asking = asking;
  }

  /** The mean over all cards and samples, from 0 to 1; undefined when none could be measured. */
  get use(): number | undefined {
    return this.#uses === 0 ? undefined : this.#sum / this.#uses / 100;
  }

  /** Until now; undefined where cards do not tell their power. */
  get energyJoules(): number | undefined {
    if (this.#joules === undefined) return undefined;
    return this.#joules + (this.#watts * (performance.now() - this.#before)) / 1000;
  }

  async sample(): Promise<void> {
    if (this.#cards.length === 0) return;
    const text = await ask(['nvidia-smi', `--id=${this.#cards.join(',')}`, QUERY, FORMAT], this.#asking);
    const now = performance.now();
    const seconds = (now - this.#before) / 1000;
    this.#before = now;
    this.#watts = 0;
    let bytes = 0;
    for (const line of (text ?? '').split('\n')) {
      const [id = '', use = '', memory = '', power = ''] = line.split(',').map((field) => field.trim());
      if (!this.#cards.includes(id)) continue;
      if (Number.isFinite(Number.parseFloat(use))) {
        this.#uses++;
        this.#sum += Number.parseFloat(use);
      }
      bytes += (Number.parseFloat(memory) || 0) * MIB;
      const watts = Number.parseFloat(power);
      if (!Number.isFinite(watts)) continue;
      this.#watts += watts;
      this.#joules = (this.#joules ?? 0) + watts * seconds;
    }
    if (bytes > 0) this.memoryPeakBytes = Math.max(this.memoryPeakBytes ?? 0, bytes);
  }
}
