import { parseAllDocuments, visit } from 'yaml';
import { type Facts, type ModelFile, Unfit } from './format.ts';
import { parseJson } from './json-text.ts';
import { recognise } from './known.ts';
import { secretIn } from './secrets.ts';
import { decodeUtf8 } from './utf8.ts';

/** The largest text that is read, in bytes; tokenizers of large vocabularies have some 35 MB. */
const LARGEST = 64 * 2 ** 20;
const LARGEST_YAML = 4 * 2 ** 20;

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

/** A configuration or tokenizer in JSON, which asks for no code of its own. @throws Unfit */
export async function readJson(file: ModelFile): Promise<{ facts: Facts; value: unknown }> {
  const value = parseJson(await readText(file));
  if (typeof value !== 'object' || value === null)
    throw new Unfit('is JSON without an object or a list; write an object');
  const key = codeIn(value);
  if (key !== undefined)
    throw new Unfit(
      `has the key ${key}, with which transformers runs code from beside the model or from the Hub; use an architecture that is part of the library, or export ONNX`,
    );
  return { facts: { format: 'json' }, value };
}

/** YAML of plain values: a tag may make an object of any class. @throws Unfit */
export async function readYaml(file: ModelFile): Promise<Facts> {
  const text = await readText(file);
  if (text.length > LARGEST_YAML)
    throw new Unfit(`has ${text.length} characters, and YAML at most ${LARGEST_YAML}; write JSON`);
  for (const document of parseAllDocuments(text)) {
    const [error] = document.errors;
    if (error !== undefined) throw new Unfit(`is not YAML: ${error.message}; write it again`);
    visit(document, {
      Node: (_key, node) => {
        const tag = 'tag' in node ? node.tag : undefined;
        if (typeof tag === 'string' && !/^tag:yaml\.org,2002:[a-z]+$/.test(tag))
          throw new Unfit(
            `has the tag ${tag}, with which YAML makes objects of any class; write plain values`,
          );
      },
    });
  }
  return { format: 'yaml' };
}

/** A key with which Hugging Face configurations name code. In a vocabulary it may be a word, and then stands for a number. */
function codeIn(value: object): string | undefined {
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next !== 'object' || next === null) continue;
    for (const [key, inner] of Object.entries(next)) {
      const names = key === 'auto_map' || key === 'custom_pipelines' ? typeof inner !== 'number' : false;
      if (names && inner !== null) return key;
      if (key === 'trust_remote_code' && inner === true) return key;
      open.push(inner);
    }
  }
  return undefined;
}
