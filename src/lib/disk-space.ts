import { realpath, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A disk with less than this left is as good as full. */
const NOTHING_BYTES = 2 ** 20;

interface Disk {
  readonly mount: string;
  readonly freeBytes: number;
  readonly sizeBytes: number;
  /** Whether it can hold no further files, however small. */
  readonly noFiles: boolean;
}

/** What is free on some disks, as evidence. */
export interface DiskSpace {
  /** Those that are full, with mount point, what is free and how large it is; undefined when none is. */
  readonly full: string | undefined;
  /** All of them: a program may have removed what it wrote in part before it ended. */
  readonly all: string;
}

/** Looks at the disks of these paths; one that is not there counts as the nearest folder above it. */
export async function diskSpace(places: readonly string[]): Promise<DiskSpace> {
  const found = await Promise.all(places.map((place) => diskOf(place).catch(() => undefined)));
  const disks = [...new Map(found.flatMap((disk) => (disk ? [[disk.mount, disk] as const] : []))).values()];
  const full = disks.filter(isFull);
  return { full: full.length === 0 ? undefined : words(full), all: words(disks) };
}

function words(disks: readonly Disk[]): string {
  return disks.map((disk) => `the disk at ${sizes(disk)}`).join(' and ');
}

function isFull({ freeBytes, noFiles }: Disk): boolean {
  return noFiles || freeBytes < NOTHING_BYTES;
}

function sizes({ mount, freeBytes, sizeBytes, noFiles }: Disk): string {
  return `${mount}, ${amount(freeBytes)} of ${amount(sizeBytes)} free${noFiles ? ' and room for no further file' : ''}`;
}

/** `0 B`, `12.3 MB`, as `df -H` and makers of disks count. */
function amount(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]}`;
}

async function diskOf(place: string): Promise<Disk> {
  const path = await nearest(place);
  const { bavail, blocks, bsize, files, ffree } = await statfs(path);
  return {
    mount: await mountOf(path),
    freeBytes: bavail * bsize,
    sizeBytes: blocks * bsize,
    // Some file systems count none at all.
    noFiles: files > 0 && ffree === 0,
  };
}

async function nearest(path: string): Promise<string> {
  return realpath(path).catch(() => (dirname(path) === path ? path : nearest(dirname(path))));
}

/** The uppermost folder above that lies on the same disk. */
async function mountOf(path: string): Promise<string> {
  const parent = dirname(path);
  const isMount = parent === path || (await stat(parent)).dev !== (await stat(path)).dev;
  return isMount ? path : mountOf(parent);
}
