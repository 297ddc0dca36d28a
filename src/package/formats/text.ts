import { type ModelFile, Unfit } from './format.ts';
import { recognise } from './known.ts';
import { secretIn } from './secrets.ts';
import { decodeUtf8 } from './utf8.ts';

/** The largest text that is read, in bytes; tokenizers of large vocabularies have some 35 MB. */
const LARGEST = 64 * 2 ** 20;

/** Reads a text: UTF-8, no control characters, no secret, nothing that runs. @throws Unfit */
export async function readText(file: ModelFile): Promise<string> {
  if (file.size > LARGEST)
    throw new Unfit(`has ${file.size} bytes, and a text at most ${LARGEST}; store numbers as safetensors`);
  const bytes = await file.read();
  const known = recognise(file.path, bytes, bytes.length);
  if (known !== undefined) throw new Unfit(`is ${known.what}`);
  const text = decodeUtf8(bytes, 'a text');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is control characters that are looked for
  const control = /[\0-\x08\x0e-\x1f]/.exec(text)?.[0].charCodeAt(0);
  if (control !== undefined)
    throw new Unfit(`is not a text: it has the control character ${control}; store it as safetensors`);
  const secret = secretIn(text);
  if (secret !== undefined)
    throw new Unfit(`holds ${secret}; remove it, and replace the secret, which others may have read by now`);
  return text;
}
