/** Writes `schema/`: the JSON Schemas of the user's files and of the records, from src. `--check` says whether they are fresh. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { kinds } from '../src/records/kinds.ts';
import { environmentSchema } from '../src/source/environment.ts';
import { projectSchema } from '../src/source/project.ts';

const folder = join(import.meta.dirname, '..', 'schema');

/** What a person writes (`input`), or what a record holds (`output`). */
const schemas: [name: string, title: string, schema: z.ZodType, io: 'input' | 'output'][] = [
  ['trainyard', 'trainyard.yml', projectSchema, 'input'],
  ['environment', 'environments/NAME.yml', environmentSchema, 'input'],
  ...Object.values(kinds).map(
    ({ name, schema }) =>
      [`record-${name}`, `The configuration of a ${name} record`, schema, 'output'] satisfies [
        string,
        string,
        z.ZodType,
        'output',
      ],
  ),
];

mkdirSync(folder, { recursive: true });
for (const [name, title, schema, io] of schemas) {
  const path = join(folder, `${name}.schema.json`);
  const text = `${JSON.stringify({ title, ...z.toJSONSchema(schema, { io }) }, null, 2)}\n`;
  if (!process.argv.includes('--check')) writeFileSync(path, text);
  else if (readFileSync(path, 'utf8') !== text)
    throw new Error(`schema/${name}.schema.json is stale: run node scripts/run.mjs schemas, and commit it`);
}
console.log(`${schemas.length} schemas ${process.argv.includes('--check') ? 'are fresh' : 'written'}`);
