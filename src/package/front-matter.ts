import { type Document, isMap, parseDocument } from 'yaml';
import { UserError } from '../lib/errors.ts';

/** A model card: Hugging Face's metadata block, if there is one, and the text behind it. */
export interface Card {
  readonly metadata: Document;
  readonly text: string;
}

/** Splits a card. @throws UserError when what stands between the two lines of dashes is not YAML; `name` is the file's */
export function parseCard(card: string, name: string): Card {
  const normal = card.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const [whole = '', block = ''] = /^---[ \t]*\n([\s\S]*?\n)?---[ \t]*(?:\n|$)/.exec(normal) ?? [];
  const metadata = parseDocument(block, { version: '1.2', stringKeys: true });
  const [error] = metadata.errors;
  if (error !== undefined || (metadata.contents !== null && !isMap(metadata.contents)))
    throw new UserError(
      `${name} begins with a metadata block that is not YAML with keys: ${error?.message ?? 'it is a text or a list'}. Mend what stands between the two lines of ---`,
    );
  return { metadata, text: normal.slice(whole.length).replace(/^\n+/, '') };
}

/** Writes a card. The user's keys stay as they are, comments too; of ours those come in that are not there. */
export function renderCard({ metadata, text }: Card, ours: Readonly<Record<string, unknown>>): string {
  const merged = metadata.clone();
  for (const [key, value] of Object.entries(ours))
    if (!merged.has(key)) merged.set(key, merged.createNode(value));
  if (merged.contents === null) return text;
  return `---\n${merged.toString({ lineWidth: 0 })}---\n\n${text}`;
}
