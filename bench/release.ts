import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PROJECT } from '../__tests__/support/project.ts';
import { putDeployment } from '../__tests__/support/runs.ts';
import { digestIn, openWorkshop } from '../__tests__/support/workshop.ts';
import { type Figure, median, seconds } from './figure.ts';

const cli = join(import.meta.dirname, '..', 'dist', 'cli', 'index.js');
const KEYS = 500;
/** So many the environment says otherwise than the one that it extends, and so many a variable lies over. */
const OWN = 100;
const VARIABLES = 50;
const ROUNDS = 5;

const names = Array.from({ length: KEYS }, (_, i) => `SETTING_${String(i).padStart(3, '0')}`);
const valuesOf = (some: readonly string[], value: (i: number) => number): string =>
  some.map((name, i) => `  ${name}: ${value(i)}\n`).join('');

/** A project whose server declares 500 settings, with an environment that extends another one. */
const FILES = {
  ...PROJECT,
  'config.schema.json': JSON.stringify({
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, { type: 'integer', minimum: 0, default: 1 }])),
    required: names,
    additionalProperties: false,
  }),
  'environments/base.yml': `target: {kind: process, port: 8081}\nconfig:\n${valuesOf(names, (i) => i)}`,
  'environments/staging.yml': `extends: base\nconfig:\n${valuesOf(names.slice(-OWN), (i) => i)}`,
};

/** A release of 500 keys, some of them in two files or in a variable, and other than what is live: one whole process. */
export async function releaseConfig(): Promise<Figure[]> {
  const shop = await openWorkshop({ files: FILES });
  try {
    const { package: packaged } = await shop.toPackage();
    await putDeployment(shop.store, digestIn((await shop.release(packaged)).outputs, 'release'));
    const round = async (number: number): Promise<void> => {
      const vars = Object.fromEntries(names.slice(0, VARIABLES).map((name, i) => [name, String(i + number)]));
      const inputs = { package: packaged, environment: 'staging', vars: JSON.stringify(vars) };
      const args = Object.entries({ ...inputs, store: shop.store.location }).flatMap(([name, value]) => [
        `--${name}`,
        value,
      ]);
      const { stdout } = await promisify(execFile)(process.execPath, [cli, 'release-config', ...args], {
        cwd: shop.repository.folder,
      });
      if (!stdout.includes('"unchanged": "false"')) throw new Error(`nothing new was released: ${stdout}`);
    };
    await round(1000);
    const times: number[] = [];
    for (let i = 0; i < ROUNDS; i++) times.push(await seconds(() => round(2000 + i)));
    return [
      {
        name: `release-config of ${KEYS} keys`,
        measured: median(times),
        limit: 0.5,
        unit: 's',
        how: `one process on a folder store: a file of ${KEYS}, ${OWN} laid over it, ${VARIABLES} variables, and the difference to what is live; median of ${ROUNDS}`,
      },
    ];
  } finally {
    await shop.remove();
  }
}
