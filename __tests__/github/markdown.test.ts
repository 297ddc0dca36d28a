import { describe, expect, test } from '@jest/globals';
import {
  address,
  block,
  code,
  cut,
  digests,
  failureSummary,
  plain,
  table,
  terminal,
  unbroken,
} from '../../src/github/markdown.ts';

describe('a text of somebody else’s', () => {
  test('has no meaning in Markdown or HTML, and stays on its line', () => {
    const hostile = '<img src=x onerror=1> [a](javascript:b) **c** `d` | e & f \\ #1 ~g~ \r\n# h\n\n- i';
    expect(plain(hostile)).not.toMatch(/[<>[\]*`|\\~\r\n]|&(?!#\d+;)|# /);
    expect(code('a`</code><b>')).toBe('<code>a&#96;&#60;/code&#62;&#60;b&#62;</code>');
    expect(terminal(code('x <y> `z`'))).toBe('x <y> `z`');
  });

  test('holds no links, as GitHub makes them of addresses; that of a service is one', () => {
    for (const hostile of ['see http://evil.example', 'HTTPS://evil.example', 'www.evil.example']) {
      expect(plain(hostile)).not.toMatch(/:\/\/|www\./i);
      expect(terminal(plain(hostile))).toBe(hostile);
    }
    expect(address('http://127.0.0.1:8080')).toBe('<http://127.0.0.1:8080>');
    expect(address('http://[::1]:8080')).toBe('<http://[::1]:8080>');
    expect(terminal(`at ${address('http://box:80')}`)).toBe('at http://box:80');
    expect(address('http://a> <b>')).toBe('http&#58;//a&#62; &#60;b&#62;');
    expect(address('javascript:alert(1)')).not.toContain('<');
  });

  test('is not broken where it is short, and a terminal shows it as it was', () => {
    expect(unbroken('2026-03-03 10:00')).not.toMatch(/[ -]/);
    expect(terminal(unbroken('2026-03-03 10:00'))).toBe('2026-03-03 10:00');
  });

  test('cannot end the block that it is shown in', () => {
    expect(block('a\n```\n# b\n`````')).toBe('``````text\na\n```\n# b\n`````\n``````');
    expect(block('plain')).toBe('```text\nplain\n```');
  });
});

test('a table aligns the columns that say so', () => {
  expect(table(['a', '>b'], [['1', '2']])).toBe('| a | b |\n| --- | --: |\n| 1 | 2 |');
});

describe('a failure', () => {
  test('begins with its verdict, and shows several lines whole', () => {
    expect(failureSummary('build', 'no <file>')).toBe('### ❌ build · no &#60;file&#62;');
    expect(failureSummary('build', 'two:\n  - a\n  - b')).toBe(
      '### ❌ build · two\n\n```text\ntwo:\n  - a\n  - b\n```',
    );
  });

  test('has a heading that fits, and the whole below it', () => {
    const long = `data digits differs: ${'sha256 '.repeat(40)}`.trim();
    const [heading = '', , ...rest] = failureSummary('train', long).split('\n');
    expect(heading.length).toBeLessThan(200);
    expect(heading).toMatch(/sha256 …$/);
    expect(rest.join('\n')).toBe(`\`\`\`text\n${long}\n\`\`\``);
  });
});

describe('a summary that GitHub would drop', () => {
  test('is cut at the end of a line, below 1 MiB, with its block closed', () => {
    const line = `${'é'.repeat(99)}\n`;
    const shown = cut(`### verdict\n\n${block(line.repeat(10_000))}`);
    expect(Buffer.byteLength(shown)).toBeLessThan(2 ** 20);
    expect(shown).not.toContain('\uFFFD');
    expect(shown).toMatch(/^### verdict\n\n```text\n/);
    expect(shown).toMatch(/é\n```\n\n… \(cut: a summary may have 1 MiB\)$/);
    expect(cut(`${block('a')}\n${line.repeat(10_000)}`)).toMatch(/é\n\n\n… \(cut/);
  });

  test('else is left as it is', () => {
    expect(cut('short')).toBe('short');
  });
});

test('a terminal sees no markup, no graph and nothing that is folded', () => {
  const markdown = `### ✅ toy · ${code('a_b')}\n\n\`\`\`mermaid\ngraph LR\n\`\`\`\n\n**bold**\n\n${digests([['run', 'sha256:1']])}`;
  expect(terminal(markdown)).toBe('✅ toy · a_b\n\nbold');
});
