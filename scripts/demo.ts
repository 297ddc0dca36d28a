/**
 * The whole line on this machine: the real workflow files, run by act, take scikit-learn's digits from a commit to a served
 * model; then a change of the server alone goes the same way without training. `--stop` ends the service at the end.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { type ActResult, outputOf } from '../__tests__/support/act.ts';
import { commit } from '../__tests__/support/act-repositories.ts';
import { makeTeam, type Team } from '../__tests__/support/act-user.ts';
import { ask, edit } from '../__tests__/support/digits.ts';
import { processesOf } from '../__tests__/support/processes.ts';
import { terminal } from '../src/github/markdown.ts';

/** What the client of GitHub's artifacts says of every call, and workflow commands: nothing that a person needs here. */
const CHATTER =
  /^(::|\s*$|\(node:|\(Use `node|(Found \d+ artifact|Artifact |Root directory input|(Upload|Finaliz)(ing|ed) |Beginning upload|Finished uploading|SHA256 digest of|Redirecting to blob|Starting download))/;

const { values: options } = parseArgs({ options: { stop: { type: 'boolean', default: false } } });
const begin = performance.now();

function say(text = ''): void {
  console.log(text);
}

function title(text: string): void {
  const seconds = ((performance.now() - begin) / 1000).toFixed(0);
  say(`\n━━ ${text} ${'━'.repeat(Math.max(2, 90 - text.length))} ${seconds} s`);
}

/** Runs the pipeline of the push template, and shows what a person would watch on GitHub. */
async function push(team: Team): Promise<ActResult> {
  let current = '';
  const result = await team.act({
    workflow: 'pipeline.yml',
    vars: { TRAINYARD_STORE: team.store },
    onLine: (job, line) => {
      if (CHATTER.test(line)) return;
      if (job !== current) say();
      current = job;
      say(`${job.padStart(8)} │ ${line.slice(0, 110)}`);
    },
  });
  if (result.status !== 0) throw new Error(`the workflow failed:\n${result.text}`);
  say();
  for (const [job, { summary }] of Object.entries(result.jobs))
    say(`${job.padStart(8)} ✔ ${terminal(summary).split('\n')[0]}`);
  return result;
}

title('A repository of a team: examples/digits and the push template, data on its runner');
const team = await makeTeam({ '.': 'digits' }, { 'pipeline.yml': 'trainyard-pipeline.yml' });
say(`${team.repository}, store ${team.store}`);

title('A push: build → train → package → release → deploy');
const first = await push(team);
const endpoint = outputOf(first, 'deploy', 'endpoint');

title('A prediction');
const { label, release } = await ask(endpoint);
say(`${endpoint} says that line 1662 of the data is a ${label}\nit answers as release ${release}`);

title('Where the answer came from: npx trainyard trace');
const cli = join(import.meta.dirname, '..', 'dist', 'cli', 'index.js');
const { stderr } = await promisify(execFile)(process.execPath, [
  cli,
  'trace',
  '--of',
  endpoint,
  '--store',
  team.store,
]);
say(stderr.split('\n\n')[0]);

title('A change of serve.py alone: nothing is trained');
await edit(join(team.repository, 'serve.py'), (text) => `${text}\n# A change of the server.\n`);
await commit(team.repository, 'Change the server');
const second = await push(team);
if ('train-1' in second.jobs) throw new Error('it trained, and should not have');
const after = await ask(endpoint);
if (after.release !== outputOf(second, 'release', 'release'))
  throw new Error('the new release does not answer');

title('Done');
if (options.stop) {
  await team.close();
  say('Everything was stopped and removed.');
} else {
  const [front] = await processesOf(join(team.place, 'state'));
  say(`Endpoint    ${endpoint}  (release: curl ${endpoint}/.trainyard/release)`);
  say(`To stop it  kill ${front} && rm -rf ${team.place}`);
}
