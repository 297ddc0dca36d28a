/** GitHub drops a step's summary above 1 MiB; ours ends before. */
const LIMIT = 900 * 1024;
/** Characters that a heading may have; what follows stands below it. */
const HEADING = 160;

/** Makes a text of somebody else's harmless in Markdown and HTML, on one line. Addresses in it are no links. */
export function plain(text: string): string {
  return text
    .replace(/[&<>"'`|*_[\]\\#~]|:(?=\/\/)|(?<=\bwww)\./gi, (character) => `&#${character.charCodeAt(0)};`)
    .replace(/\s*[\r\n]+\s*/g, ' ');
}

/** A short text that a narrow column of a table does not break, such as a time. */
export function unbroken(text: string): string {
  return text.replaceAll(' ', '\u00a0').replaceAll('-', '\u2011');
}

/** The address of a service as a link. */
export function address(url: string): string {
  return /^https?:\/\/[\w.:[\]/-]+$/.test(url) ? `<${url}>` : plain(url);
}

/** A text as code, whatever it holds. */
export function code(text: string): string {
  return `<code>${plain(text)}</code>`;
}

/** A block of preformatted text. */
export function block(text: string): string {
  const fence = '`'.repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([run]) => run.length + 1)));
  return `${fence}text\n${text}\n${fence}`;
}

/** A table; cells are Markdown already. A column that begins with `>` is aligned to the right. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const head = columns.map((column) => column.replace(/^>/, ''));
  return [
    line(head),
    line(columns.map((column) => (column.startsWith('>') ? '--:' : '---'))),
    ...rows.map(line),
  ].join('\n');
}

/** Digests whole, folded behind a heading, for copying. */
export function digests(entries: readonly (readonly [string, string])[]): string {
  const lines = entries.map(([name, value]) => `${name.padEnd(12)} ${value}`).join('\n');
  return `<details><summary>Digests</summary>\n\n${block(lines)}\n</details>`;
}

/** The summary of an action that failed: its verdict, and the whole message when it has several lines. */
export function failureSummary(action: string, message: string): string {
  const [first = ''] = message.split('\n');
  const verdict = headline(first);
  const heading = `### ❌ ${action} · ${plain(verdict)}`;
  return verdict === message ? heading : `${heading}\n\n${block(message)}`;
}

/** A line that fits a heading, cut between words. */
function headline(line: string): string {
  const text = line.replace(/:$/, '');
  return text.length <= HEADING ? text : `${text.slice(0, text.lastIndexOf(' ', HEADING))} …`;
}

/** Cuts a summary that GitHub would drop at the end of a line, and says so. */
export function cut(markdown: string): string {
  const bytes = Buffer.from(markdown);
  if (bytes.length <= LIMIT) return markdown;
  const whole = bytes
    .subarray(0, LIMIT)
    .toString('utf8')
    .replace(/[^\n]*$/, '');
  let open = '';
  for (const [fence] of whole.matchAll(/^`{3,}/gm)) open = open === '' ? fence : fence === open ? '' : open;
  return `${whole}${open}\n\n… (cut: a summary may have 1 MiB)`;
}

/** What a person reads of an escaped text. */
export function readable(markdown: string): string {
  return markdown.replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)));
}

/** A summary as a terminal shows it: without the graph, the folded parts and the markup. */
export function terminal(markdown: string): string {
  const bare = markdown
    .replace(/<details>[\s\S]*?<\/details>|```mermaid[\s\S]*?```/g, '')
    .replace(/<(https?:[^>\s]+)>/g, '$1')
    .replaceAll('\u00a0', ' ')
    .replaceAll('\u2011', '-')
    .replace(/<\/?code>|^### |\*\*/gm, '');
  return readable(bare)
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
