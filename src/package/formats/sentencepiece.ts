import { BYTES } from '../../lib/protobuf.ts';
import { Cursor } from './cursor.ts';
import { type Facts, type ModelFile, Unfit } from './format.ts';
import { eachField } from './protobuf.ts';

/** The fields of a SentencePiece ModelProto: pieces, trainer, normalizer, self-test, denormalizer. */
const FIELDS = [1, 2, 3, 4, 5];
const LARGEST = 64 * 2 ** 20;

/** Whether bytes begin as every SentencePiece model does: with a piece. */
export function looksLikeSentencePiece(head: Buffer): boolean {
  return head[0] === 0x0a;
}

/** Reads a SentencePiece tokenizer (protobuf, `sentencepiece_model.proto`). @throws Unfit for anything else */
export async function readSentencePiece(file: ModelFile): Promise<Facts> {
  if (file.size > LARGEST) throw new Unfit(`has ${file.size} bytes, and no tokenizer has so many`);
  const cursor = new Cursor(file);
  let pieces = 0;
  await eachField(cursor, file.size, ({ number, wire }) => {
    if (!FIELDS.includes(number) || wire !== BYTES)
      throw new Unfit(`is not a SentencePiece model: it has a field ${number}; save the tokenizer again`);
    if (number === 1) pieces++;
    return undefined;
  });
  if (pieces === 0) throw new Unfit('is a SentencePiece model without a piece; save the tokenizer again');
  return { format: 'sentencepiece' };
}
