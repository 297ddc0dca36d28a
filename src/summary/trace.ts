import { code, digests, plain, table } from '../github/markdown.ts';
import { hexOf } from '../lib/digest.ts';
import type { Lineage, Node } from '../trace/lineage.ts';

const SIGNS = { source: '📄', program: '🔧', run: '🏃', package: '📦', release: '🏷', deployment: '🚀' };

/** The lineage as a graph that GitHub draws, and as a table. */
export function traceSummary(lineage: Lineage, what: string): string {
  const { nodes, live } = lineage;
  const serving = live.map(
    ({ name, environment, endpoint }) => `${plain(name)} in ${plain(environment)} at ${plain(endpoint)}`,
  );
  const commits = nodes
    .filter(({ kind }) => kind === 'source')
    .map(({ facts }) => code(String(facts.commit).slice(0, 12)));
  return [
    `### 🔎 ${plain(what)} · ${serving.length === 0 ? 'serves nowhere now' : `serves as ${serving.join(', ')}`} · from commit ${[...new Set(commits)].join(', ') || 'unknown'}`,
    `\`\`\`mermaid\n${lineageGraph(nodes)}\n\`\`\``,
    table(
      ['record', 'digest', 'what'],
      nodes.map((node) => [
        `${SIGNS[node.kind]} ${node.kind}`,
        code(hexOf(node.digest, 12)),
        plain(describe(node)),
      ]),
    ),
    digests(nodes.map(({ kind, digest }) => [kind, digest])),
  ].join('\n\n');
}

/** The lineage as indented lines for a terminal, from what serves up to its commit. */
export function traceText({ nodes }: Lineage): string {
  return nodes
    .map((node) => `${node.kind.padEnd(10)} ${hexOf(node.digest, 12)}  ${describe(node)}`)
    .join('\n');
}

/** The lineage as a Mermaid graph, from sources to what serves. */
export function lineageGraph(nodes: readonly Node[]): string {
  const known = new Set(nodes.map(({ digest }) => digest));
  const id = (digest: Node['digest']): string => `n${hexOf(digest, 12)}`;
  const label = (node: Node): string =>
    `${SIGNS[node.kind]} ${node.kind} ${hexOf(node.digest, 7)}<br/>${describe(node)
      .replace(/["<>&#`|]/g, ' ')
      .slice(0, 60)}`;
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
  const list = (value: unknown): string =>
    typeof value === 'object' && value !== null
      ? Object.entries(value)
          .map(
            ([name, entry]) =>
              `${name} ${typeof entry === 'string' ? entry.slice(0, 19) : JSON.stringify(entry)}`,
          )
          .join(', ')
      : '';
  switch (kind) {
    case 'source':
      return `commit ${String(facts.commit).slice(0, 12)} ${facts.path}`;
    case 'program':
      return `${facts.role} of ${facts.name}`;
    case 'run':
      return `${facts.state}: ${[list(facts.metrics), list(facts.params), list(facts.data)].filter(Boolean).join(' · ')}`;
    case 'package':
      return `${facts.name}: ${list(facts.metrics)}`;
    case 'release':
      return `${facts.name} for ${facts.environment}${serves === null ? '' : `, live at ${serves}`}`;
    case 'deployment':
      return `${facts.outcome} in ${facts.environment}, ${facts.endedAt}`;
  }
}
