import { address, code, digests, plain, table } from '../github/markdown.ts';
import { hexOf } from '../lib/digest.ts';
import { digest } from '../records/oci.ts';
import type { Lineage, Node } from '../trace/lineage.ts';
import { figure, short } from './figures.ts';

/** Of the commits that give the same record, people see so many. */
const COMMITS = 3;
const SIGNS = {
  source: '📄',
  program: '🔧',
  run: '🏃',
  package: '📦',
  release: '🏷',
  deployment: '🚀',
  data: '🗃',
  checkpoint: '💾',
};

/** The lineage as a graph that GitHub draws, and as a table. */
export function traceSummary(lineage: Lineage, what: string): string {
  const { of, live } = lineage;
  const nodes = gathered(lineage.nodes);
  const serving = live.map(
    ({ name, environment, endpoint }) => `${plain(name)} in ${plain(environment)} at ${address(endpoint)}`,
  );
  const sources = lineage.nodes.filter(({ kind }) => kind === 'source');
  const own = sources.filter(({ digest, parents }) => [digest, ...parents].some((it) => of.includes(it)));
  const commits = [...new Set((own.length > 0 ? own : sources).map(({ facts }) => String(facts.commit)))];
  return [
    `### 🔎 ${titleOf(what)} · ${serving.length === 0 ? 'serves nowhere now' : `serves as ${serving.join(', ')}`} · from commit ${commits.length === 0 ? 'unknown' : some(commits.map((id) => code(id.slice(0, 12))))}`,
    `\`\`\`mermaid\n${lineageGraph(lineage.nodes)}\n\`\`\``,
    table(
      ['record', 'digest', 'what'],
      nodes.map((node) => [`${SIGNS[node.kind]} ${node.kind}`, short(node.digest), plain(describe(node))]),
    ),
    digests(lineage.nodes.map(({ kind, digest }) => [kind, digest])),
  ].join('\n\n');
}

/** What was asked for, a digest in short. */
function titleOf(what: string): string {
  const found = digest.safeParse(what).data;
  return found === undefined ? plain(what) : short(found);
}

/** The lineage as indented lines for a terminal, from what serves up to its commit. */
export function traceText({ nodes }: Lineage): string {
  return gathered(nodes)
    .map((node) => `${node.kind.padEnd(10)} ${hexOf(node.digest, 12)}  ${describe(node)}`)
    .join('\n');
}

/** The lineage as a Mermaid graph, from sources to what serves. */
export function lineageGraph(all: readonly Node[]): string {
  const nodes = gathered(all);
  const known = new Set(nodes.map(({ digest }) => digest));
  const id = (digest: Node['digest']): string => `n${hexOf(digest, 12)}`;
  const label = (node: Node): string =>
    `${SIGNS[node.kind]} ${node.kind} ${hexOf(node.digest, 7)}<br/>${describe(node)
      .replace(/["<>&#`|*~]|(?<!\w)_+|_+(?!\w)/g, ' ')
      .replace(/^(.{79}).{2,}$/, '$1…')}`;
  return [
    'graph LR',
    ...nodes.map((node) => `  ${id(node.digest)}["${label(node)}"]`),
    ...nodes.flatMap(({ digest, parents }) =>
      parents
        .filter((parent) => known.has(parent))
        .map((parent) => `  ${edge(id(parent), id(digest), nodes, digest)}`),
    ),
    ...nodes
      .filter(({ serves }) => serves !== null)
      .map(({ digest }) => `  style ${id(digest)} stroke:#1a7f37,stroke-width:3px`),
  ].join('\n');
}

/** Every commit that leaves a record as it is explains it, too; the Sources of one record are shown as one. */
function gathered(nodes: readonly Node[]): Node[] {
  const groups = new Map<string, Node[]>();
  for (const node of nodes) {
    const key = node.kind === 'source' ? `${node.parents} ${node.facts.path}` : node.digest;
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  return [...groups.values()].flatMap((group) =>
    group.slice(0, 1).map((node) => {
      if (node.kind !== 'source') return node;
      const explained = nodes.find(({ digest }) => node.parents.includes(digest));
      const of = String(explained?.facts.role ?? explained?.kind ?? '');
      const commits = group.map(({ facts }) => String(facts.commit).slice(0, 12));
      return { ...node, facts: { ...node.facts, commits, of } };
    }),
  );
}

function some(values: readonly string[]): string {
  const rest = values.length - COMMITS;
  return `${values.slice(0, COMMITS).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/** A Source points at what it explains; every other record comes out of its parents. */
function edge(parent: string, child: string, nodes: readonly Node[], digest: string): string {
  const isSource = nodes.find((node) => node.digest === digest)?.kind === 'source';
  return isSource ? `${child} -.-> ${parent}` : `${parent} --> ${child}`;
}

/** One line, whatever a Run tells of itself. */
function describe(node: Node): string {
  return sentence(node).replace(/\s+/g, ' ').trim();
}

function sentence({ kind, facts, serves }: Node): string {
  const list = (value: unknown, show = JSON.stringify): string =>
    typeof value === 'object' && value !== null
      ? Object.entries(value)
          .map(([name, entry]) => `${name} ${typeof entry === 'string' ? entry.slice(0, 19) : show(entry)}`)
          .join(', ')
      : '';
  switch (kind) {
    case 'source':
      return `${facts.of}: commit ${some(Array.isArray(facts.commits) ? facts.commits.map(String) : [])} ${facts.path === '.' ? '' : facts.path}`;
    case 'program':
      return `${facts.role} of ${facts.name}`;
    case 'run':
      return `${facts.state}${Number(facts.segments) > 1 ? ` in ${facts.segments} segments` : ''}: ${[list(facts.metrics, number), list(facts.params), list(facts.data)].filter(Boolean).join(' · ')}`;
    case 'package':
      return `${facts.name}: ${list(facts.metrics, number)}`;
    case 'release':
      return `${facts.name} for ${facts.environment}${serves === null ? '' : `, live at ${serves}`}`;
    case 'data':
      return `${facts.name}: ${facts.files} files, ${facts.bytes} bytes`;
    case 'checkpoint':
      return `${facts.name}: ${list(facts.metrics, number)}`;
    case 'deployment':
      return `${facts.outcome} in ${facts.environment} at ${String(facts.endedAt).slice(0, 16).replace('T', ' ')} UTC`;
  }
}

function number(value: unknown): string {
  return typeof value === 'number' ? figure(value) : JSON.stringify(value);
}
