/** What a team that keeps everything in a registry does from its first push on, for any registry. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exampleData } from '../../scripts/example-data.ts';
import { type ActOptions, type ActResult, assertSucceeded, outputOf } from './act.ts';
import { commit } from './act-repositories.ts';
import { makeTeam, type Team } from './act-user.ts';
import { ask, edit } from './digits.ts';
import { endProcessesOf } from './processes.ts';

export interface RegistryHost {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  close(): Promise<void>;
}

/** Docker configurations, where a registry asks who comes. */
export interface Accounts {
  /** The team's secret, for all jobs but the one that trains. */
  readonly hosted: string;
  /** What the machine holds on which everything runs. */
  readonly machine: string;
}

/** What the first push left. */
export interface Line<R> {
  readonly registry: R;
  readonly trainer: string;
  readonly run: string;
  readonly release: string;
}

/** Bytes of a file among the model's that is too large to be sent about unseen. */
export const LARGE = 24 << 20;
/** The trainer writes it, with a head as safetensors have it. */
const WRITE_LARGE = `
    head = json.dumps({"t": {"dtype": "U8", "shape": [${LARGE}], "data_offsets": [0, ${LARGE}]}}).encode()
    (OUTPUT / "large.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes(${LARGE}))
`;

/**
 * Tells jest the tests of the templates, as they stand, on a registry: `acme/digits` is the store, `acme/digits-handoff` the hand-off.
 *
 * @param start starts the registry that all of them use
 * @param more further tests, of what the first push left, which is there once they run
 * @param accountsOf gives accounts; none by default
 */
export function describeLine<R extends RegistryHost>(
  kind: string,
  start: () => Promise<R>,
  more: (line: () => Line<R>) => void = () => {},
  accountsOf: (host: string) => Accounts = () => ({ hosted: '', machine: '{}' }),
): void {
  describe(`the templates on ${kind}`, () => {
    let registry: R;
    let team: Team;
    let store: string;
    let first: Line<R>;
    let second: string;
    let endpoint: string;

    beforeAll(async () => {
      registry = await start();
      store = `oci://${registry.host}/acme/digits`;
      team = await makeTeam(
        { '.': 'digits' },
        { 'pipeline.yml': 'trainyard-pipeline.yml', 'rollback.yml': 'trainyard-rollback.yml' },
      );
      await edit(join(team.repository, 'train.py'), (text) =>
        text.replace(/^ {4}requests = .*\n/m, `$&${WRITE_LARGE}`),
      );
      await edit(join(team.repository, 'trainyard.yml'), (text) =>
        text.replace('[model.onnx]', '[model.onnx, large.safetensors]'),
      );
      await commit(team.repository, 'A large model');
    }, 120_000);
    afterAll(async () => {
      await team.close();
      await registry.close();
    }, 60_000);

    /** Runs a workflow on a machine that keeps what serves in the folder `state`. */
    async function act(
      options: Pick<ActOptions, 'workflow' | 'event' | 'payload'>,
      state = 'state',
    ): Promise<ActResult> {
      const { hosted, machine } = accountsOf(registry.host);
      const folder = join(team.place, 'docker');
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'config.json'), machine);
      return team.act({
        ...options,
        vars: { TRAINYARD_STORE: store, TRAINYARD_HANDOFF: `${store}-handoff` },
        secrets: hosted === '' ? {} : { TRAINYARD_REGISTRY_AUTH: hosted },
        machine: {
          TRAINYARD_DATA: await exampleData(),
          TRAINYARD_STATE: join(team.place, state),
          DOCKER_CONFIG: folder,
        },
      });
    }
    const push = (): Promise<ActResult> => act({ workflow: 'pipeline.yml' });

    async function rollBack(release: string, state?: string): Promise<ActResult> {
      const inputs = { release, name: 'digits', environment: 'staging' };
      const options = { workflow: 'rollback.yml', event: 'workflow_dispatch', payload: { inputs } };
      const result = await act(options, state);
      assertSucceeded(result);
      return result;
    }

    test('a push trains, packages, releases and serves the model', async () => {
      const result = await push();
      assertSucceeded(result);
      expect(Object.keys(result.jobs)).toEqual(['build', 'train-1', 'package', 'release', 'deploy']);
      first = {
        registry,
        trainer: outputOf(result, 'build', 'trainer'),
        run: outputOf(result, 'train-1', 'run'),
        release: outputOf(result, 'release', 'release'),
      };
      endpoint = outputOf(result, 'deploy', 'endpoint');
      expect(await ask(endpoint)).toEqual({ release: first.release, label: 9 });
    }, 300_000);

    more(() => first);

    test('a second workflow run finds the training in the registry, and deploys what has changed', async () => {
      await edit(join(team.repository, 'environments/staging.yml'), (text) =>
        text.replace('THRESHOLD: 0.4', 'THRESHOLD: 0.9'),
      );
      await edit(join(team.repository, 'serve.py'), (text) => `${text}\n# A change.\n`);
      await commit(team.repository, 'Change server and configuration');
      const result = await push();
      assertSucceeded(result);
      expect(Object.keys(result.jobs)).toEqual(['build', 'package', 'release', 'deploy']);
      expect(outputOf(result, 'build', 'run')).toBe(first.run);
      second = outputOf(result, 'release', 'release');
      expect(await ask(endpoint)).toEqual({ release: second, label: -1 });
    }, 120_000);

    test('previous goes back on the machine that served both', async () => {
      expect(outputOf(await rollBack('previous'), 'deploy', 'outcome')).toBe('live');
      expect(await ask(endpoint)).toEqual({ release: first.release, label: 9 });
    }, 120_000);

    test('a machine that has never served brings any release back from the registry', async () => {
      await endProcessesOf(team.place);
      const result = await rollBack(first.release, 'another');
      const there = outputOf(result, 'deploy', 'endpoint');
      expect(await ask(there)).toEqual({ release: first.release, label: 9 });
    }, 120_000);
  });
}
