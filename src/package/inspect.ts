import { extname } from 'node:path/posix';
import { type Facts, type ModelFile, Unfit } from './formats/format.ts';
import { readGguf } from './formats/gguf.ts';
import { readJson } from './formats/json.ts';
import { HEAD, recognise } from './formats/known.ts';
import { readOnnx } from './formats/onnx.ts';
import { readSafetensors } from './formats/safetensors.ts';
import { isSecretFile } from './formats/secrets.ts';
import { looksLikeSentencePiece, readSentencePiece } from './formats/sentencepiece.ts';
import { readText } from './formats/text.ts';
import { readYaml } from './formats/yaml.ts';

/** What a package takes, for messages. */
export const ACCEPTED =
  'safetensors, GGUF, ONNX with its external data, and JSON, YAML, texts and SentencePiece models; docs/packages.md says more';

/** What a file was found to be. `data` and `pickles` are not accepted by themselves: a model names the former, a scanner clears the latter. */
export type Found =
  | { readonly kind: 'weight' | 'config'; readonly facts: Facts; readonly json?: unknown }
  | { readonly kind: 'data' | 'pickles'; readonly facts: Facts };

const WEIGHTS: ReadonlyMap<string, (file: ModelFile) => Promise<Facts>> = new Map([
  ['.safetensors', readSafetensors],
  ['.gguf', readGguf],
  ['.onnx', readOnnx],
]);
const TEXTS =
  /(?:\.(?:txt|md|csv|tsv|jsonl|vocab|merges|bpe|tiktoken|jinja2?|labels|names|toml|ini|pbtxt)|(?:^|\/)(?:LICENSE|NOTICE|USE_POLICY|README))$/i;
const PICKLED: Readonly<Record<string, string>> = { '.npy': 'numpy', '.npz': 'numpy', '.pkl': 'pickle' };

/**
 * Finds out what a file is. Its name says what it should be, because loaders go by the name; its content has to be that, and
 * is read as strictly as no loader does.
 * @param allowsPickles whether what may be or hold pickles is for the scanner, and not refused
 * @throws Unfit when it is nothing that a package takes
 */
export async function inspect(file: ModelFile, allowsPickles: boolean): Promise<Found> {
  if (isSecretFile(file.path)) throw new Unfit('is a file for secrets, by its name; take it off model.files');
  if (file.size === 0) throw new Unfit('is empty; let the trainer write it');
  const head = await file.peek(0, Math.min(HEAD, file.size));
  const known = recognise(file.path, head, file.size);
  const extension = extname(file.path).toLowerCase();
  if (known?.mayHoldPickles && allowsPickles)
    return { kind: 'pickles', facts: { format: PICKLED[extension] ?? 'pt' } };
  if (known !== undefined) throw new Unfit(`is ${known.what}`);
  const readWeights = WEIGHTS.get(extension);
  if (readWeights !== undefined) return { kind: 'weight', facts: await readWeights(file) };
  if (extension === '.json') {
    const { facts, value } = await readJson(file);
    return { kind: 'config', facts, json: value };
  }
  if (extension === '.yaml' || extension === '.yml') return { kind: 'config', facts: await readYaml(file) };
  if (extension === '.model' && looksLikeSentencePiece(head))
    return { kind: 'config', facts: await readSentencePiece(file) };
  // Some tokenizers of that name are texts.
  if (extension === '.model' || TEXTS.test(file.path)) {
    await readText(file);
    return { kind: 'config', facts: { format: 'text' } };
  }
  return { kind: 'data', facts: { format: extension.slice(1) } };
}
