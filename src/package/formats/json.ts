import { type Facts, type ModelFile, Unfit } from './format.ts';
import { parseJson } from './json-text.ts';
import { readText } from './text.ts';

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
