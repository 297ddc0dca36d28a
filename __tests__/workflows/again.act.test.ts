/** What goes wrong the first time, and projects side by side; with the templates as they stand and the real actions. */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { type ActResult, assertSucceeded, jobOf, outputOf } from '../support/act.ts';
import { moveLibrary } from '../support/act-repositories.ts';
import { finished } from '../support/act-rewrite.ts';
import { makeTeam, type Team } from '../support/act-user.ts';
import { ask } from '../support/digits.ts';
import { type ResultsService, startResultsService } from '../support/results-service.ts';

let team: Team | undefined;
let service: ResultsService | undefined;

afterEach(async () => {
  await service?.close();
  await team?.close();
}, 60_000);

const ran = (result: ActResult): string[] => Object.keys(result.jobs);

test('failed jobs run again on the artifacts of those that are finished, and nothing is trained again', async () => {
  team = await makeTeam({ '.': 'digits' }, { 'pipeline.yml': 'trainyard-pipeline.yml' });
  service = await startResultsService();
  const run = { workflow: 'pipeline.yml', results: service.url, vars: { TRAINYARD_STORE: 'artifact:' } };

  // The service takes no more bytes once the package is to be written.
  let broken = false;
  const breakService = (job: string): void => {
    if (job === 'package' && !broken) service?.inject({ on: 'CreateArtifact', what: 403 });
    broken ||= job === 'package';
  };
  const first = await team.act({ ...run, onLine: breakService });
  expect(ran(first)).toEqual(['build', 'train-1', 'package']);
  expect(jobOf(first, 'package').result).toBe('failure');

  // Now the package is written, and the port of the target is held by something else.
  const { port } = parse(await readFile(join(team.repository, 'environments/staging.yml'), 'utf8')).target;
  const squatter = createServer().listen(port, '127.0.0.1');
  await once(squatter, 'listening');
  const trained = { ...jobOf(first, 'build').outputs, ...jobOf(first, 'train-1').outputs };
  const library = await moveLibrary(join(team.place, 'second'), (text, file) =>
    file === 'pipeline.yml' ? finished(text, 'train', trained) : text,
  );
  const second = await team.act({ ...run, library, attempt: 2 });
  expect(ran(second)).toEqual(['train', 'package', 'release', 'deploy']);
  expect(jobOf(second, 'train').log).toBe('');
  expect(jobOf(second, 'deploy').result).toBe('failure');
  expect(jobOf(second, 'deploy').summary).toContain(String(port));
  squatter.close();
  await once(squatter, 'close');

  const template = join(team.repository, '.github/workflows/pipeline.yml');
  const release = outputOf(second, 'release', 'release');
  const store = 'artifact:';
  await writeFile(template, finished(await readFile(template, 'utf8'), 'pipeline', { release, store }));
  const third = await team.act({ ...run, attempt: 3 });
  expect(ran(third)).toEqual(['pipeline', 'deploy']);
  expect(await ask(outputOf(third, 'deploy', 'endpoint'))).toEqual({ release, label: 9 });
}, 400_000);

test('two projects of one repository are served side by side by one machine', async () => {
  const templates = { 'one.yml': 'trainyard-pipeline.yml', 'two.yml': 'trainyard-pipeline.yml' };
  const mine = (text: string, file: string): string => {
    const name = file.replace('.yml', '');
    return text
      .replace('project: . #', `project: models/${name} #`)
      .replaceAll('group: digits/', `group: ${name}/`);
  };
  team = await makeTeam({ 'models/one': 'one', 'models/two': 'two' }, templates, mine);
  const endpoints: string[] = [];
  for (const workflow of ['one.yml', 'two.yml']) {
    const result = await team.act({ workflow, vars: { TRAINYARD_STORE: team.store } });
    assertSucceeded(result);
    endpoints.push(outputOf(result, 'deploy', 'endpoint'));
  }
  const [one, two] = await Promise.all(endpoints.map(ask));
  expect([one?.label, two?.label]).toEqual([9, 9]);
  expect(one?.release).not.toBe(two?.release);
}, 400_000);
