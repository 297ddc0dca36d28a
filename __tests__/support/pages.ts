/**
 * Summaries as people see them: Markdown as GitHub shows it, in a real browser, at the width of a job's summary. Nothing is
 * sanitised here, so what GitHub would take out is seen, too.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import MarkdownIt from 'markdown-it';
import { type Browser, chromium as driver } from 'playwright-core';
import { z } from 'zod';
import { chromium } from '../../scripts/chromium.ts';
import { root } from './workflow-files.ts';

/** Of the column in which GitHub shows a job's summary, in pixels. */
const WIDTH = 1012;

export type Scheme = 'light' | 'dark';

const seen = z.object({
  /** What a person would find wrong with the page, each in words. */
  faults: z.array(z.string()),
  /** All that can be read on it, what is folded away included. */
  text: z.string(),
  /** The kinds of elements outside of drawings. */
  tags: z.array(z.string()),
  /** The texts in each drawing. */
  drawings: z.array(z.array(z.string())),
  links: z.array(z.string()),
});
export type Seen = z.infer<typeof seen>;

const find = createRequire(import.meta.url);
const styleOf = (scheme: Scheme): string =>
  readFileSync(find.resolve(`github-markdown-css/github-markdown-${scheme}.css`), 'utf8');
const mermaid = join(root, 'node_modules', 'mermaid', 'dist', 'mermaid.min.js');

/** HTML in Markdown stays, as GitHub lets it; addresses become links. */
const markdownIt = new MarkdownIt({ html: true, linkify: true });
markdownIt.linkify.set({ fuzzyLink: false, fuzzyEmail: false }).add('//', null);

/** A browser for a file of tests. */
export class Pages {
  readonly #browser: Browser;
  readonly #folder: string;

  private constructor(browser: Browser, folder: string) {
    this.#browser = browser;
    this.#folder = folder;
  }

  /** @param folder where screenshots are kept, for people who look themselves */
  static async open(folder: string): Promise<Pages> {
    mkdirSync(folder, { recursive: true });
    // Its sandbox needs a user that is not root.
    const args = ['--no-sandbox'];
    return new Pages(await driver.launch({ executablePath: await chromium(), args }), folder);
  }

  close(): Promise<void> {
    return this.#browser.close();
  }

  /**
   * Shows a summary, keeps a screenshot as `NAME-SCHEME.png`, and tells what there is to see.
   * @param quoted texts that hold markup, to be read as they are
   */
  async look(name: string, markdown: string, scheme: Scheme, quoted: readonly string[] = []): Promise<Seen> {
    const page = await this.#browser.newPage({ viewport: { width: WIDTH, height: 800 } });
    try {
      const asked: string[] = [];
      page.on('request', (request) => asked.push(request.url()));
      await page.setContent(htmlOf(markdown, scheme));
      for (const path of [mermaid, join(import.meta.dirname, 'pages-look.mjs')])
        await page.addScriptTag({ path });
      const found = seen.parse(
        await page.evaluate(`look(${JSON.stringify(scheme)}, ${JSON.stringify(quoted)})`),
      );
      await page.screenshot({ path: join(this.#folder, `${name}-${scheme}.png`), fullPage: true });
      const fetched = asked.filter((url) => /^https?:/.test(url)).map((url) => `${url} is fetched`);
      return { ...found, faults: [...found.faults, ...fetched] };
    } finally {
      await page.close();
    }
  }
}

function htmlOf(markdown: string, scheme: Scheme): string {
  const body = markdownIt.render(markdown);
  const page = `body { margin: 0; background: ${scheme === 'dark' ? '#0d1117' : '#ffffff'} }`;
  return `<!doctype html><meta charset="utf-8"><style>${styleOf(scheme)} ${page}</style><article class="markdown-body">${body}</article>`;
}
