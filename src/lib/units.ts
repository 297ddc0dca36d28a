import { z } from 'zod';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };
const BYTES = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** `90s`, `30m`, `2h`, `1h30m`, `2d` → seconds. */
export const duration = z
  .string()
  .regex(/^(\d+[smhd])+$/, 'a duration such as 90s, 30m, 1h30m or 2d')
  .transform((text) => sum(text.matchAll(/(\d+)([smhd])/g), SECONDS))
  .refine((seconds) => seconds > 0, 'a duration above zero');

/** The text that `duration` reads as so many whole seconds: `1d2h`; `0s` for none. */
export function durationOf(seconds: number): string {
  let rest = seconds;
  const words = Object.entries(SECONDS)
    .reverse()
    .map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest -= count * size;
      return count === 0 ? '' : `${count}${unit}`;
    });
  return words.join('') || '0s';
}

/** `250ms`, `2s` → milliseconds. */
export const latency = z
  .string()
  .regex(/^[1-9]\d*(ms|s)$/, 'a time such as 250ms or 2s')
  .transform((text) => Number.parseInt(text, 10) * (text.endsWith('ms') ? 1 : 1000));

/** `512MiB`, `24GiB` → bytes. */
export const memory = z
  .string()
  .regex(/^\d+(MiB|GiB|TiB)$/, 'an amount of memory such as 512MiB or 24GiB')
  .transform((text) => sum(text.matchAll(/(\d+)(MiB|GiB|TiB)/g), BYTES));

function sum(parts: Iterable<RegExpMatchArray>, units: Readonly<Record<string, number>>): number {
  return [...parts].reduce((total, [, count, unit]) => total + Number(count) * (units[unit ?? ''] ?? 0), 0);
}
