import { parseAllDocuments, visit } from 'yaml';
import { DEEPEST, isTooDeep } from '../../lib/yaml-depth.ts';
import { type Facts, type ModelFile, Unfit } from './format.ts';
import { readText } from './text.ts';

/** In characters. */
const LARGEST = 4 * 2 ** 20;

/** YAML of plain values: a tag may make an object of any class. @throws Unfit */
export async function readYaml(file: ModelFile): Promise<Facts> {
  const text = await readText(file);
  if (text.length > LARGEST)
    throw new Unfit(`has ${text.length} characters, and YAML at most ${LARGEST}; write JSON`);
  if (isTooDeep(text)) throw new Unfit(`has more than ${DEEPEST} levels; write JSON`);
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
