/** Archives made byte by byte, so that each may lie where a test wants it to. */
import { crc32, deflateRawSync } from 'node:zlib';

/** What a zip says of a file; whatever is not given is true. */
export interface ZipEntry {
  readonly name: string | Buffer;
  readonly data?: Buffer | string;
  /** Compressed, or 0 for as it is (the default). */
  readonly method?: number;
  readonly flags?: number;
  readonly crc?: number;
  readonly size?: number;
  /** The upper half is the mode of unix. */
  readonly attributes?: number;
  readonly extra?: Buffer;
  /** What the header before the file says instead. */
  readonly local?: Partial<Pick<ZipEntry, 'name' | 'method' | 'flags' | 'crc' | 'size'>>;
  /** Bytes between this file and the next. */
  readonly after?: Buffer;
  /** Where the directory says that it begins. */
  readonly offset?: number;
  /** The directory does not name it. */
  readonly isHidden?: boolean;
}

/** A zip (APPNOTE 6.3); `count` is what its end says instead of how many entries there are. */
export function zip(
  entries: readonly ZipEntry[],
  count = entries.filter((entry) => entry.isHidden !== true).length,
): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const entry of entries) {
    const { data = '', extra = Buffer.alloc(0), after = Buffer.alloc(0), attributes = 0 } = entry;
    const content = Buffer.from(data);
    const packed = entry.method === 8 ? deflateRawSync(content) : content;
    const usual = { method: 0, flags: 0x0800, crc: crc32(content), size: content.length, ...entry };
    const fields = (said: typeof usual): Buffer => {
      const bytes = Buffer.alloc(26);
      bytes.writeUInt16LE(20, 0);
      bytes.writeUInt16LE(said.flags, 2);
      bytes.writeUInt16LE(said.method, 4);
      bytes.writeUInt32LE(said.crc, 10);
      bytes.writeUInt32LE(packed.length, 14);
      bytes.writeUInt32LE(said.size, 18);
      bytes.writeUInt16LE(Buffer.from(said.name).length, 22);
      bytes.writeUInt16LE(extra.length, 24);
      return bytes;
    };
    const here = { ...usual, ...entry.local };
    const header = [u32(0x04034b50), fields(here), Buffer.from(here.name), extra];
    const end = Buffer.alloc(14);
    end.writeUInt32LE(attributes, 6);
    end.writeUInt32LE(entry.offset ?? position, 10);
    const named = [u32(0x02014b50), u16((3 << 8) | 20), fields(usual), end, Buffer.from(usual.name), extra];
    if (entry.isHidden !== true) directory.push(...named);
    const block = Buffer.concat([...header, packed, after]);
    parts.push(block);
    position += block.length;
  }
  const central = Buffer.concat(directory);
  const end = [u32(0x06054b50), u32(0), u16(count), u16(count), u32(central.length), u32(position), u16(0)];
  return Buffer.concat([...parts, central, ...end]);
}

/** The data descriptor that follows a file whose header does not know its size. */
export function descriptorOf(data: Buffer, crc = crc32(data)): Buffer {
  return Buffer.concat([u32(0x08074b50), u32(crc), u32(data.length), u32(data.length)]);
}

export interface TarEntry {
  readonly name: string | Buffer;
  /** POSIX: 0 file, 1 hard link, 2 symbolic link, 3 and 4 device, 5 folder, 6 named pipe. */
  readonly type?: string;
  readonly data?: Buffer | string;
  readonly size?: number;
  readonly mode?: number;
  readonly link?: string;
}

/** One entry of a tar: header, content, padding. */
export function tarEntry({
  name,
  type = '0',
  data = '',
  mode = 0o644,
  link = '',
  ...said
}: TarEntry): Buffer {
  const content = Buffer.from(data);
  const header = Buffer.alloc(512);
  Buffer.from(name).copy(header, 0, 0, 100);
  header.write(octal(mode, 7), 100);
  header.write(octal(said.size ?? content.length, 11), 124);
  header.write(octal(0, 11), 136);
  header.fill(' ', 148, 156);
  header.write(type, 156);
  header.write(link, 157);
  header.write('ustar\u000000', 257);
  header.write(
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    ),
    148,
  );
  return Buffer.concat([header, content, Buffer.alloc(-content.length & 511)]);
}

/** A tar with the two blocks of zeros at its end. */
export function tar(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), Buffer.alloc(1024)]);
}

/** The entry that gives the next one another name (POSIX pax). */
export function paxName(name: string): TarEntry {
  const record = ` path=${name}\n`;
  const length = Buffer.byteLength(record);
  const digits = String(length + String(length).length).length;
  return { name: 'pax', type: 'x', data: `${length + digits}${record}` };
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, '0')}\0`;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
