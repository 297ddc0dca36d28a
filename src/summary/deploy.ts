import { latencyOf } from '../deploy/prove.ts';
import type { Deployed } from '../deploy/request.ts';
import { address, block, code, digests, plain, table } from '../github/markdown.ts';
import { hexOf } from '../lib/digest.ts';
import type { Store } from '../store/store.ts';
import type { Node } from '../trace/lineage.ts';
import { short } from './figures.ts';
import { lineageGraph } from './trace.ts';

/** Golden requests that differ, of which people see so many. */
const SHOWN = 10;

/** What came of a deployment: what serves now, how it was proved, and the way back. */
export function deploySummary(
  deployed: Deployed,
  nodes: readonly Node[],
  store: Pick<Store, 'location' | 'limits'>,
): string {
  const { parts, rollout, deployment } = deployed;
  const { checks, before } = deployment.config;
  return [
    `### ${verdictOf(deployed)}`,
    wayBack(deployed),
    differing(deployed),
    rollout.lines.length > 0 ? `The last lines of the server:\n\n${block(rollout.lines.join('\n'))}` : '',
    table(
      ['check', '', 'found'],
      checks.map((check) => [plain(check.name), check.passed ? '✅' : '❌', plain(check.detail)]),
    ),
    nodes.length === 0 ? '' : `\`\`\`mermaid\n${lineageGraph(nodes)}\n\`\`\``,
    store.limits === undefined ? '' : `_${plain(store.limits)}_`,
    commandsFor(deployed, store),
    digests([
      ['release', parts.release.digest],
      ['package', parts.modelPack.digest],
      ['run', parts.run],
      ['deployment', deployment.digest],
      ...(before === null ? [] : [['before', before] as const]),
    ]),
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** What the step fails with; undefined when the release serves. */
export function failureOf({ parts, rollout }: Deployed): string | undefined {
  const { outcome, reason, before } = rollout;
  if (outcome === 'live' || outcome === 'unchanged') return undefined;
  const after = {
    refused: before === null ? 'nothing serves yet' : `${hexOf(before, 12)} went on serving`,
    'rolled-back': before === null ? 'nothing serves' : `${hexOf(before, 12)} serves again`,
    'restore-failed': 'what served before does not answer as it should, look at it now',
    superseded: 'a newer commit serves',
    held: 'a person has to lift that first',
    interrupted: before === null ? 'nothing serves' : `${hexOf(before, 12)} serves`,
  }[outcome];
  return `${parts.release.config.environment}: release ${hexOf(parts.release.digest, 12)} is ${outcome}: ${reason}; ${after}`;
}

function verdictOf({ parts, rollout, deployment }: Deployed): string {
  const { environment, name } = parts.release.config;
  const { outcome, before, golden, reason } = rollout;
  const { endpoint, endedAt } = deployment.config;
  const what = `${plain(environment)} · ${plain(name)} ${short(parts.release.digest)}`;
  const time = `${endedAt.slice(0, 16).replace('T', ' ')} UTC`;
  const why = plain(reason ?? '');
  switch (outcome) {
    case 'live': {
      const answers =
        golden.length === 0
          ? ''
          : ` · ${golden.length} of ${golden.length} golden requests, ${latencyOf(golden)}`;
      return `🟢 ${what} live since ${time} at ${address(endpoint)}${answers}`;
    }
    case 'unchanged':
      return `🟢 ${what} serves already at ${address(endpoint)} (proved ${time})`;
    case 'refused':
      return `🟠 ${what} refused before the switch: ${why} · ${before === null ? 'nothing serves yet' : `${short(before)} went on serving (proved ${time})`}`;
    case 'rolled-back':
      return `🟠 ${what} rolled back after the switch: ${why} · ${before === null ? 'nothing serves' : `${short(before)} serves again (proved ${time})`}`;
    case 'superseded':
    case 'held':
      return `⚪ ${what} ${outcome}, nothing was begun: ${why}`;
    case 'interrupted':
      return `🟠 ${what} was interrupted and undone: ${why} · ${before === null ? 'nothing serves' : `${short(before)} serves (proved ${time})`}`;
    case 'restore-failed':
      return `🔴 ${what} failed, and what served before does not answer as it should: ${why}`;
  }
}

/** What to type next: where it came from, and how to end it. */
function commandsFor({ deployment, stop, site }: Deployed, { location }: Pick<Store, 'location'>): string {
  const { endpoint } = deployment.config;
  // What serves is known on its machine, too; the artifacts of a run can be read in that run alone.
  const place = location === 'artifact:' ? site.location : location;
  const trace = `Where it came from: ${code(`npx trainyard trace --of ${endpoint} --store ${place}`)}`;
  return stop === undefined ? trace : `${trace} · To stop it, on its machine: ${code(stop)}`;
}

function wayBack({ rollout: { outcome, before }, parts, hasPrevious }: Deployed): string {
  const { name, environment } = parts.release.config;
  if (outcome !== 'live' || before === null || before === parts.release.digest) return '';
  if (!hasPrevious) return `Before: ${short(before)}.`;
  const command = `npx trainyard deploy --release previous --name ${name} --environment ${environment}`;
  return `Before: ${short(before)}. To roll back: run the rollback workflow (environment ${plain(environment)}), or ${code(command)} on the machine.`;
}

function differing({ rollout: { golden } }: Deployed): string {
  const rows = golden.flatMap(({ golden: { line, request }, difference }) =>
    difference === undefined
      ? []
      : [[`line ${line}: ${code(`${request.method} ${request.path}`)}`, plain(difference)]],
  );
  if (rows.length === 0) return '';
  const more = rows.length > SHOWN ? `\n\n… and ${rows.length - SHOWN} more` : '';
  return `${table(['golden request', 'what differs'], rows.slice(0, SHOWN))}${more}`;
}
