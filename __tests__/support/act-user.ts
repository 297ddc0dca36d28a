/** A team on one machine: its repository, the library, a store, a runner with data and state. All in one folder, ended with it. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleData } from '../../scripts/example-data.ts';
import { type ActOptions, type ActResult, runAct } from './act.ts';
import { type Edit, makeUserRepository, moveLibrary } from './act-repositories.ts';
import { digitsProject } from './digits.ts';
import { endProcessesOf } from './processes.ts';
import { startResultsService } from './results-service.ts';

export interface Team {
  /** The folder that holds everything. */
  readonly place: string;
  readonly repository: string;
  readonly library: string;
  /** A folder that the repository variable TRAINYARD_STORE may name. */
  readonly store: string;
  /** Runs one of the team's workflows; each call is a workflow run of its own unless `results` is given. */
  act(options: Partial<ActOptions> & Pick<ActOptions, 'workflow'>): Promise<ActResult>;
  /** Ends everything that was started and removes the folder. */
  close(): Promise<void>;
}

/**
 * Sets a team up.
 *
 * @param projects names of projects, copies of the example, by the folder in the repository that they lie in
 * @param templates templates of ours by the names that they get in the repository
 * @param edit what the team changes in its copies of the templates
 */
export async function makeTeam(
  projects: Readonly<Record<string, string>>,
  templates: Readonly<Record<string, string>>,
  edit: Edit = (text) => text,
): Promise<Team> {
  const place = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-team-')));
  const made: Record<string, string> = {};
  for (const [folder, name] of Object.entries(projects))
    made[folder] = await digitsProject(join(place, 'projects', name), name);
  const repository = await makeUserRepository({
    place: join(place, 'repository'),
    projects: made,
    templates,
    edit,
  });
  const library = await moveLibrary(join(place, 'library'));
  const store = join(place, 'store');
  const machine = {
    TRAINYARD_DATA: await exampleData(),
    TRAINYARD_STATE: join(place, 'state'),
    TRAINYARD_LEASES: join(place, 'leases'),
  };
  const act: Team['act'] = async (options) => {
    const service = await startResultsService();
    try {
      return await runAct({ place, repository, library, machine, results: service.url, ...options });
    } finally {
      await service.close();
    }
  };
  const close = async (): Promise<void> => {
    await endProcessesOf(place);
    await rm(place, { recursive: true, force: true });
  };
  return { place, repository, library, store, act, close };
}
