import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import * as z from 'zod';

/** Where Debian's package puts it. */
const PROGRAM = '/usr/bin/chromium';

/** Without these it asks for updates and knocks at servers of its maker. */
const ARGUMENTS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update', '--hide-scrollbars'],
];

const IN_PAGE = readFileSync(new URL('in-page.mjs', import.meta.url), 'utf8');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A page that is shown, and what it did that a report must not do. */
export interface Shown {
  readonly page: Page;
  /** Errors on the console, dialogs, requests to anywhere. */
  readonly offences: readonly string[];
}

/** Real Chromium, to look at files that we wrote. */
export interface Screen {
  show(html: string): Promise<Shown>;
  close(): Promise<void>;
}

export async function openScreen(): Promise<Screen> {
  if (!existsSync(PROGRAM)) {
    throw new Error(`there is no ${PROGRAM}: apt-get install chromium, as .ci/run does`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-report-'));
  const browser: Browser = await chromium.launch({ executablePath: PROGRAM, args: ARGUMENTS });
  let files = 0;
  return {
    async show(html) {
      files += 1;
      const file = join(folder, `${files}.html`);
      writeFileSync(file, html);
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      const offences: string[] = [];
      const url = pathToFileURL(file).href;
      page.on('console', message => offences.push(`console: ${message.text()}`));
      page.on('pageerror', error => offences.push(`error: ${error.message}`));
      page.on('dialog', dialog => {
        offences.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on('request', request => {
        if (request.url().split('#')[0] !== url) offences.push(`request: ${request.url()}`);
      });
      page.on('requestfinished', request => {
        if (request.url().split('#')[0] !== url) offences.push(`loaded: ${request.url()}`);
      });
      await page.goto(url);
      // It comes by the debugger, which no policy of a page stops.
      await page.evaluate(IN_PAGE);
      return { page, offences };
    },
    async close() {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Pages of a printed PDF, by the objects that say so. */
export const pagesOf = (pdf: Buffer): number =>
  (pdf.toString('latin1').match(/\/Type\s*\/Page\b(?!s)/g) ?? []).length;

/** Whether two PNGs are of one size, and the share of their squares that differ. */
export async function compared(screen: Screen, one: Buffer, two: Buffer): Promise<Likeness> {
  const { page } = await screen.show('<!doctype html><title>compared</title>');
  const urls = [one, two].map(png => `data:image/png;base64,${png.toString('base64')}`);
  const found = await page.evaluate(`inPage.compared(${JSON.stringify(urls)})`);
  await page.close();
  return Likeness.parse(found);
}

const Likeness = z.object({ sameSize: z.boolean(), strange: z.number() });
type Likeness = z.infer<typeof Likeness>;

const Words = z.array(z.string());

/** Elements that stick out of the window. */
export const wide = async (page: Page): Promise<readonly string[]> =>
  Words.parse(await page.evaluate('inPage.wide()'));

export const unfold = (page: Page): Promise<unknown> => page.evaluate('inPage.unfold()');

/** Every element with its attributes. */
export const shapeOf = async (page: Page): Promise<readonly string[]> =>
  Words.parse(await page.evaluate('inPage.shape()'));

/** What axe has to say against it. */
export async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(AXE);
  return Words.parse(await page.evaluate('inPage.violations()'));
}
