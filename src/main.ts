import type { Action } from './github/action.ts';
import { UserError } from './lib/errors.ts';
import { VERSION } from './lib/version.ts';

/** Every action and its module, loaded only when it runs. */
const actions: Readonly<Record<string, () => Promise<{ action: Action }>>> = {
  build: () => import('./actions/build.ts'),
  train: () => import('./actions/train.ts'),
  'package-model': () => import('./actions/package-model.ts'),
  'release-config': () => import('./actions/release-config.ts'),
  deploy: () => import('./actions/deploy.ts'),
  data: () => import('./actions/data.ts'),
  trace: () => import('./actions/trace.ts'),
  history: () => import('./actions/history.ts'),
  verify: () => import('./actions/verify.ts'),
  prune: () => import('./actions/prune.ts'),
  line: () => import('./actions/line.ts'),
};

/** What a runner starts by itself after an action's step, and nobody else does. */
const posts: typeof actions = { 'train-post': () => import('./actions/train-post.ts') };

/** What `actions/NAME/action.yml` starts: the action with its inputs from the step. */
export async function runStep(name: string): Promise<void> {
  const [{ githubHost }, { runAction }] = await Promise.all([
    import('./github/host.ts'),
    import('./github/run.ts'),
  ]);
  const host = githubHost(process.env);
  host.job.log.info(`trainyard ${name} ${VERSION}`);
  await runAction(name, () => loadAction(name), host);
  // Idle connections of the clients must not keep a finished step waiting.
  process.exit();
}

/** What `npx trainyard ACTION --input value …` starts. */
export async function runCommand([name, ...args]: readonly string[]): Promise<void> {
  const [{ cliHost }, { runAction }] = await Promise.all([
    import('./github/cli.ts'),
    import('./github/run.ts'),
  ]);
  const usage = `usage: trainyard ${Object.keys(actions).join('|')} [--input value …]`;
  try {
    if (name === '--help') {
      process.stdout.write(`${usage}\n`);
      process.exit();
    }
    if (name === undefined || !Object.hasOwn(actions, name)) throw new UserError(usage);
    const action = await loadAction(name);
    if (args.includes('--help')) process.stdout.write(usageOf(name, action));
    else await runAction(name, async () => action, cliHost(args, action.inputNames, process.env));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
  process.exit();
}

function usageOf(name: string, { inputNames }: Action): string {
  // A token is read from GITHUB_TOKEN, never from a command line.
  const inputs = inputNames
    .filter((input) => input !== 'token')
    .map((input) => `  --${input} VALUE\n`)
    .join('');
  return `trainyard ${name}\n${inputs}What each means: actions/${name}/README.md (line: action.yml)\n`;
}

/** The supervisor that deploy leaves on the target machine. */
export async function runFront(args: readonly string[]): Promise<void> {
  const { main } = await import('./deploy/process/front-main.ts');
  await main(args);
}

async function loadAction(name: string): Promise<Action> {
  const load = actions[name] ?? posts[name];
  if (load === undefined) throw new Error(`there is no action ${name}`);
  await import('./lib/forms.ts');
  return (await load()).action;
}
