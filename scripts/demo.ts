/**
 * The whole line on this machine: the real workflow files, run by act, take scikit-learn's digits from a commit to a model that serves in
 * staging, then in production; a release that answers wrongly is refused there, and one that is rolled back stays away. `--stop` ends the
 * service at the end.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { type ActResult, outputOf } from '../__tests__/support/act.ts';
import { commit } from '../__tests__/support/act-repositories.ts';
import { makeTeam } from '../__tests__/support/act-user.ts';
import { ask, edit } from '../__tests__/support/digits.ts';
import { processesOf } from '../__tests__/support/processes.ts';
import { terminal } from '../src/github/markdown.ts';

/** What the client of GitHub's artifacts says of every call, and workflow commands: nothing that a person needs here. */
const CHATTER =
  /^(::|\s*$|\(node:|\(Use `node|(Found \d+ artifact|Artifact |Root directory input|(Upload|Finaliz)(ing|ed) |Beginning upload|Finished uploading|SHA256 digest of|Redirecting to blob|Starting download))/;
/** A line of serve.py, and what a mistake makes of it: nobody sees that before it answers. */
const RIGHT = '    label = np.where(';
const WRONG = `    probabilities = 1 - probabilities\n${RIGHT}`;
/** Seconds that a release has to serve in staging before it is promoted. */
const SOAK = 1;
const SECRETS = { API_KEY: 'a secret of production' };

const { values: options } = parseArgs({ options: { stop: { type: 'boolean', default: false } } });
const begin = performance.now();

function say(text = ''): void {
  console.log(text);
}

function title(text: string): void {
  const seconds = ((performance.now() - begin) / 1000).toFixed(0);
  say(`\n━━ ${text} ${'━'.repeat(Math.max(2, 90 - text.length))} ${seconds} s`);
}

title('A repository of a team: examples/digits and our templates, data on its runner');
const templates = ['pipeline', 'promote', 'rollback'].map((name) => [`${name}.yml`, `trainyard-${name}.yml`]);
const team = await makeTeam({ '.': 'digits' }, Object.fromEntries(templates));
say(`${team.repository}, store ${team.store}`);

/** Starts a workflow as a push, or as a person with inputs, and shows what would be watched on GitHub. */
async function start(workflow: string, inputs?: Readonly<Record<string, string>>): Promise<ActResult> {
  let current = '';
  const result = await team.act({
    workflow: `${workflow}.yml`,
    vars: { TRAINYARD_STORE: team.store },
    secrets: SECRETS,
    ...(inputs && { event: 'workflow_dispatch', payload: { inputs } }),
    onLine: (job, line) => {
      if (CHATTER.test(line)) return;
      if (job !== current) say();
      current = job;
      say(`${job.padStart(8)} │ ${line.slice(0, 110)}`);
    },
  });
  say();
  for (const [job, { summary, result: ended }] of Object.entries(result.jobs))
    say(`${job.padStart(8)} ${ended === 'success' ? '✔' : '✘'} ${terminal(summary).split('\n')[0]}`);
  return result;
}

/** Which release answers there, or an error when it is not the one that has to. */
async function served(endpoint: string, wanted: string): Promise<void> {
  const { label, release } = await ask(endpoint);
  say(
    `${endpoint} says that line 1662 of the data is ${label === -1 ? 'not sure enough to be told' : `a ${label}`}`,
  );
  say(`it answers as release ${release}`);
  if (release !== wanted) throw new Error(`${wanted} has to serve at ${endpoint}`);
}

/** Promotes what serves in staging, after it has served there for a second; the template asks for a day. */
async function promote(): Promise<ActResult> {
  await sleep(1000 * SOAK);
  return start('promote', { from: 'staging', environment: 'production', soak: `${SOAK}s` });
}

/** Fails unless the deploy of a workflow ended as it has to. */
function expectOutcome(result: ActResult, ...wanted: string[]): void {
  const outcome = outputOf(result, 'deploy', 'outcome');
  if (!wanted.includes(outcome))
    throw new Error(`the deploy ended ${outcome}, and ${wanted.join(' or ')} was expected:\n${result.text}`);
}

title('A push: build → train → package → release → deploy to staging');
const first = await start('pipeline');
expectOutcome(first, 'live');
const staging = outputOf(first, 'deploy', 'endpoint');
await served(staging, outputOf(first, 'release', 'release'));

title('Where the answer came from: npx trainyard trace');
const cli = join(import.meta.dirname, '..', 'dist', 'cli', 'index.js');
const trace = [cli, 'trace', '--of', staging, '--store', team.store];
say((await promisify(execFile)(process.execPath, trace)).stderr.split('\n\n')[0]);

title('Promote: what serves in staging, with the configuration of production');
const one = await promote();
expectOutcome(one, 'live');
const production = outputOf(one, 'deploy', 'endpoint');
const firstRelease = outputOf(one, 'release', 'release');
await served(production, firstRelease);

title('A change of serve.py alone: nothing is trained; staging, then production');
await edit(join(team.repository, 'serve.py'), (text) => `${text}\n# A change of the server.\n`);
await commit(team.repository, 'Change the server');
const second = await start('pipeline');
if ('train-1' in second.jobs) throw new Error('it trained, and should not have');
expectOutcome(second, 'live');
const two = await promote();
expectOutcome(two, 'live');
const secondRelease = outputOf(two, 'release', 'release');
await served(production, secondRelease);

title('A mistake in serve.py, sent straight to production: its golden requests refuse it');
await edit(join(team.repository, 'serve.py'), (text) => text.replace(RIGHT, WRONG));
await commit(team.repository, 'Break the server');
expectOutcome(await start('pipeline', { environment: 'production' }), 'refused');
await served(production, secondRelease);

title('Roll back: model, server and configuration of before');
const back = { release: 'previous', name: 'digits', environment: 'production' };
expectOutcome(await start('rollback', back), 'live');
await served(production, firstRelease);

title('The release that was left is promoted again: it is held until a person lifts that');
expectOutcome(await promote(), 'held');
await served(production, firstRelease);

title('Done');
if (options.stop) {
  await team.close();
  say('Everything was stopped and removed.');
} else {
  const fronts = await processesOf(join(team.place, 'state'));
  say(`Staging     ${staging}`);
  say(`Production  ${production}  (release: curl ${production}/.trainyard/release)`);
  say(`To stop it  kill ${fronts.join(' ')} && rm -rf ${team.place}`);
}
