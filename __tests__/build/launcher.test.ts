/** What build refuses of trainer.launcher, before a machine is woken for it. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterAll(() => shop.remove());

test('torchrun, or Slurm with it, for what is no Python program', async () => {
  const command = 'command: python train.py ${params}';
  await shop.repository.edit('trainyard.yml', command, 'command: bash train.sh\n  launcher: torchrun');
  const refusal =
    /trainyard\.yml.*: trainer\.command is "bash train\.sh", and trainer\.launcher is torchrun, .*python train\.py/;
  expect(await refusalOf(shop.build({}))).toMatch(refusal);
  await shop.repository.edit(
    'trainyard.yml',
    'launcher: torchrun',
    'launcher: {slurm: {torchrun: {restarts: 1}}}',
  );
  expect(await refusalOf(shop.build({}))).toMatch(refusal);
});
