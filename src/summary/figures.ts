import { code } from '../github/markdown.ts';
import { type Digest, hexOf } from '../lib/digest.ts';

/** A digest as people see it in text; the whole one stands below a summary. */
export function short(digest: Digest): string {
  return code(hexOf(digest, 12));
}

/** A measured number for people, to four digits. */
export function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** A time for people, in its two largest units: `3 h 12 min`, `4 min 5 s`, `12 s`, `0.4 s`. */
export function durationText(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
