import { Unfit } from './format.ts';

/** Decodes UTF-8, a byte order mark left out. @throws Unfit for bytes that are none, with the place of the first */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Unfit(`is not ${what}: it is not UTF-8; write it again with that encoding`);
  }
}
