import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A card of the stand-in; amounts as nvidia-smi prints them (MiB, %, W). */
export interface FakeCard {
  readonly uuid: string;
  readonly name?: string;
  readonly memory?: number;
  readonly used?: number;
  readonly use?: number;
  readonly power?: number;
  /** The slices of a card in MIG mode. */
  readonly mig?: readonly { readonly profile: string; readonly uuid: string }[];
}

export interface FakeGpus {
  /** Whose form it has: 390 knows no MIG, 580 has another header and aligns its list. */
  readonly version?: '390' | '470' | '535' | '580';
  readonly cards: readonly FakeCard[];
  readonly processes?: readonly { readonly gpu: string; readonly pid: number; readonly name?: string }[];
  /** Gives no answer, and can't be asked to end. */
  readonly hangs?: boolean;
  /** Prints this and ends with status 9. */
  readonly fails?: string;
  /** Milliseconds that a `-l` waits in place of its seconds. */
  readonly loopMs?: number;
}

const SCRIPT = `
const fs = require('node:fs');
const [stateFile, ...args] = process.argv.slice(2);
const read = () => JSON.parse(fs.readFileSync(stateFile, 'utf8'));
const state = read();
const version = state.version ?? '535';
const drivers = { 390: '390.157', 470: '470.256.02', 535: '535.183.01', 580: '580.65.06' };
const cudas = { 390: undefined, 470: '11.4', 535: '12.2', 580: '13.0' };
const lacking = version === '390' ? '[Not Supported]' : '[N/A]';
const option = (name) => args.find((arg) => arg.startsWith(name + '='))?.slice(name.length + 1);
const end = (text, status) => { fs.writeSync(1, text); process.exit(status); };

function cell(card, index, field) {
  const slices = card.mig !== undefined;
  const values = {
    index, uuid: card.uuid, name: card.name ?? 'NVIDIA H100 80GB HBM3', 'memory.total': card.memory ?? 81559,
    driver_version: drivers[version], 'memory.used': card.used ?? 0, 'utilization.gpu': slices ? undefined : card.use ?? 0,
    'power.draw': card.power?.toFixed(2), ...(version !== '390' && { 'mig.mode.current': slices ? 'Enabled' : /H100|A100/.test(card.name ?? 'H100') ? 'Disabled' : undefined }),
  };
  if (!(field in values)) end('Field "' + field + '" is not a valid field to query.\\n\\n', 2);
  return values[field] ?? lacking;
}
function cards() {
  const { cards } = read();
  const chosen = option('-i') ?? option('--id') ?? (args.includes('-i') ? args[args.indexOf('-i') + 1] : undefined);
  return cards.map((card, index) => [card, index]).filter(([card]) => chosen === undefined || chosen.split(',').includes(card.uuid));
}

if (state.hangs) { process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); }
else if (state.fails) end(state.fails, 9);
else if (state.cards.length === 0) end('No devices were found\\n', version === '390' ? 0 : 6);
else if (args[0] === '-L') {
  const wide = version === '580';
  end(state.cards.map((card, index) => 'GPU ' + index + ': ' + cell(card, index, 'name') + ' (UUID: ' + card.uuid + ')\\n' +
    (card.mig ?? []).map(({ profile, uuid }, slice) => '  MIG ' + (wide ? profile.padEnd(12) : profile) + ' Device ' + (wide ? ' ' : '') + slice + ': (UUID: ' + uuid + ')\\n').join('')).join(''), 0);
} else if (option('--query-compute-apps')) {
  const fields = option('--query-compute-apps').split(',');
  if (version === '390') for (const { uuid } of state.cards.filter(({ name }) => /GeForce/.test(name ?? ''))) fs.writeSync(1, fields.map(() => '[Not Supported]').join(', ') + '\\n');
  end((state.processes ?? []).map(({ gpu, pid, name }) => fields.map((field) => ({ gpu_uuid: gpu, pid, process_name: name ?? 'python' })[field]).join(', ') + '\\n').join(''), 0);
} else if (option('--query-gpu')) {
  const fields = option('--query-gpu').split(',');
  const print = () => fs.writeSync(1, cards().map(([card, index]) => fields.map((field) => cell(card, index, field)).join(', ') + '\\n').join(''));
  print();
  const loop = args.indexOf('-l');
  if (loop >= 0) setInterval(() => { try { print(); } catch { process.exit(1); } }, state.loopMs ?? 1000 * Number(args[loop + 1]));
} else if (args.length === 0) {
  const cuda = cudas[version] === undefined ? '' : (version === '580' ? '     CUDA UMD Version: ' : '   CUDA Version: ') + cudas[version];
  end('+-----+\\n| NVIDIA-SMI ' + drivers[version] + '   Driver Version: ' + drivers[version] + cuda + '     |\\n+-----+\\n', 0);
} else end('Invalid combination of input arguments.\\n', 1);
`;

/** A folder for PATH with an `nvidia-smi` of ours, which answers in the form of several versions of the real one. */
export interface FakeSmi {
  /** PATH with it before all others. */
  readonly path: string;
  /** Changes what it answers from now on. */
  set(gpus: FakeGpus): Promise<void>;
}

/** @param root an empty folder of the test's */
export async function fakeNvidiaSmi(root: string, gpus: FakeGpus): Promise<FakeSmi> {
  const [bin, state, script] = ['bin', 'state.json', 'smi.cjs'].map((name) => join(root, name));
  if (bin === undefined || state === undefined || script === undefined) throw new Error('three names');
  await mkdir(bin, { recursive: true });
  await writeFile(script, SCRIPT);
  await writeFile(
    join(bin, 'nvidia-smi'),
    `#!/bin/sh\nexec '${process.execPath}' '${script}' '${state}' "$@"\n`,
  );
  await chmod(join(bin, 'nvidia-smi'), 0o755);
  const set = async (answers: FakeGpus): Promise<void> => {
    await writeFile(`${state}.new`, JSON.stringify(answers));
    await rename(`${state}.new`, state);
  };
  await set(gpus);
  return { path: `${bin}:${process.env.PATH ?? ''}`, set };
}

/** A vendor's tool that prints a text for the arguments that begin so. */
export async function fakeTool(
  folder: string,
  name: string,
  answers: Readonly<Record<string, string>>,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const cases = Object.entries(answers).map(([begin, text]) => `"${begin}"*) cat <<'END'\n${text}\nEND\n;;`);
  await writeFile(join(folder, name), `#!/bin/sh\ncase "$*" in\n${cases.join('\n')}\n*) exit 2;;\nesac\n`);
  await chmod(join(folder, name), 0o755);
  return `${folder}:${process.env.PATH ?? ''}`;
}
