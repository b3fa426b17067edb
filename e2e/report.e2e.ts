import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Answer } from '../src/contract/answer.ts';
import { byWorst, fleetHead } from '../src/contract/fleet.ts';
import type { Titled } from '../src/report/fleet-report.ts';
import { rendered } from '../src/report/render.ts';
import { MACHINES } from '../src/simulation/machine.ts';
import { fleetRow, unreadRow } from '../src/tools/support/fleet-row.ts';
import { formOf, reportOf as newReportOf } from '../test/fakes/pages.ts';
import {
  compared,
  openScreen,
  pagesOf,
  type Screen,
  shapeOf,
  unfold,
  violations,
  wide,
} from './chromium.ts';
import { PROJECT } from './prepare.ts';

/** A report of `-o html` as a person meets it: in real Chromium, by day and by night, on a phone, on paper. */
let screen: Screen;
beforeAll(async () => {
  screen = await openScreen();
});
afterAll(() => screen.close());

const WIDTHS = [320, 768, 1280] as const;
const SCHEMES = ['light', 'dark'] as const;

const htmlOf = (answer: Titled): Promise<string> => rendered(answer, formOf({ format: 'html' }));

const reports = new Map<string, ReturnType<typeof newReportOf>>();

/** What a machine says is the same each time. */
function reportOf(name: string) {
  const report = reports.get(name) ?? newReportOf(name);
  reports.set(name, report);
  return report;
}

const FLEET = ['lost-gpu', 'ecc-row-remap', 'dgx-h100', 'training-job'];

async function fleetOf(names: readonly string[]): Promise<Titled> {
  const answered = names.map(async name => {
    const answer = await reportOf(name);
    return { row: fleetRow(name, answer.structured), answer };
  });
  const unread = { row: unreadRow('node-9', 'node "node-9" is not ready') };
  const nodes = [...(await Promise.all(answered)), unread].toSorted((a, b) =>
    byWorst(a.row, b.row),
  );
  const foot = [{ kind: 'plain' as const, text: 'first fault: ecc-row-remap, GPU 1, XID 48' }];
  const fleet = { head: fleetHead(nodes.map(({ row }) => row)), foot, nodes };
  return { title: `Triage: ${nodes.length} nodes`, lines: [], structured: {}, fleet };
}

describe.each([...MACHINES.map(({ name }) => name), 'several nodes'])('the report of %s', name => {
  test('scrolls to no side, complains of nothing, asks nobody, and prints', async () => {
    const answer = name === 'several nodes' ? await fleetOf(FLEET) : await reportOf(name);
    const { page, offences } = await screen.show(await htmlOf(answer));
    for (const folded of [true, false]) {
      if (!folded) await unfold(page);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        expect(await wide(page), `${width} px`).toEqual([]);
      }
    }
    expect(pagesOf(await page.pdf({ format: 'A4' }))).toBeGreaterThan(0);
    expect(offences).toEqual([]);
    await page.close();
  });
});

/** One of each kind: well, lost, ECC, links, network, PCIe, MIG, no driver, a hung one, pods, jobs, no NVLink. */
const LOOKED_AT = [
  ...['dgx-h100', 'lost-gpu', 'ecc-row-remap', 'nvlink-down', 'network-down', 'slow-pcie'],
  ...['mig-a100', 'no-driver', 'hung-driver', 'training-job', 'job-lost-gpu', 'healthy-t4'],
  'several nodes',
];

test.each(LOOKED_AT)(
  'axe finds nothing in the report of %s, at any width, by day and by night',
  async name => {
    const answer = name === 'several nodes' ? await fleetOf(FLEET) : await reportOf(name);
    const { page } = await screen.show(await htmlOf(answer));
    await unfold(page);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        expect(await violations(page), `${colorScheme} ${width} px`).toEqual([]);
      }
    }
    await page.close();
  },
);

test('what a file like this must not do, its policy forbids', async () => {
  const html = await htmlOf(await reportOf('lost-gpu'));
  const added = [
    '<script>document.title = "ran"</script>',
    '<img src="file:///dev/null" onerror="document.title = \'ran\'">',
    '<style>h1 { display: none }</style><p id="inline" style="position: fixed">x</p>',
    '<iframe src="about:blank"></iframe><base href="file:///tmp/">',
    '<svg><script>document.title = "ran"</script></svg>',
  ].join('');
  const { page, offences } = await screen.show(html.replace('</body>', `${added}</body>`));
  expect(await page.title()).toBe('Triage: lost-gpu');
  const styles = await page.evaluate(`inPage.styles(['h1', '#inline'])`);
  expect(styles).toEqual(['block static', 'block static']);
  expect(offences.filter(each => each.startsWith('loaded'))).toEqual([]);
  expect(offences.length).toBeGreaterThanOrEqual(4);
  await page.close();
});

const HOSTILE: readonly (readonly [string, string])[] = [
  ['a script', '<script>document.title="ran"</script>'],
  ['the end of a script', '</script><script>document.title="ran"</script>'],
  ['the end of the style', '</style><style>*{display:none}</style>'],
  ['the end of the title', '</title><h1>x</h1>'],
  ['an image with a handler', '"><img src=x onerror=document.title="ran">'],
  ['single quotes', "' onclick='document.title=1' x='"],
  ['double quotes', '" onmouseover="document.title=1" x="'],
  ['no quotes', 'x onfocus=document.title=1 autofocus'],
  ['the end of an SVG', '</svg><svg onload=document.title="ran">'],
  ['the end of a text of SVG', '</text></g><image href="file:///etc/passwd"/>'],
  ['a foreign object', '<foreignObject><iframe src="file:///etc/passwd"></iframe></foreignObject>'],
  ['the end of CDATA', ']]><b>x</b><![CDATA['],
  ['the end of a comment', '--><b>x</b><!--'],
  ['the end of pre', '</pre><textarea>'],
  ['the end of the article', '</article></main></body><form action=//x><input>'],
  ['the end of a table', '</td></tr></table><marquee>'],
  ['entities', '&lt;b&gt; &#x3c;script&#x3e; &amp;amp; &notin'],
  ['NUL and controls', 'a\u0000b\u0007c\u001b[31md\r\u0085'],
  ['another order of letters', '\u202e\u2066lmth.exe\u2069 \u200f\u061c'],
  ['invisible letters', 'a\u200b\u200c\u200d\ufeff\u00adb\u{e0041}'],
  ['half of a letter', '\ud800 x \udfff'],
  ['a word without an end', 'x'.repeat(600)],
  ['wide letters', '\u65e5\u672c\u8a9e'.repeat(80)],
  ['stacked letters', `Z${'\u0310\u035f'.repeat(120)}`],
  ['an address', 'javascript:document.title="ran"//https://example.invalid/'],
  ['a template', ['$', '{7*7} {{7*7}} <%= 7 %> #{7}'].join('')],
  ['an event of an animation', '<animate onbegin=document.title="ran" attributeName=x dur=1s>'],
];

/** Where a node, a pod, a program or a log has the word. */
const FOREIGN =
  /^(?:name|process|pod|namespace|container|text|what|message|reason|serial|uuid|hostname|os|node|source|vbios|driverVersion|title|ports|cpuAffinity|owner|manager|value|boardPartNumber|kind)$/;

/** Facts in which every text of another hand ends in this. */
function spoiled(value: unknown, words: string, key = ''): unknown {
  if (typeof value === 'string') return FOREIGN.test(key) ? value + words : value;
  if (Array.isArray(value)) return value.map(each => spoiled(each, words, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, spoiled(each, words, name)]),
  );
}

async function hostile(machine: string, words: string): Promise<Titled> {
  const { beside, ...answer } = await reportOf(machine);
  const facts = (of: Answer) => ({ ...Object(spoiled(of.structured, words)) });
  return {
    ...answer,
    title: answer.title + words,
    structured: facts(answer),
    beside: Object.fromEntries(
      Object.entries(beside).map(([tool, each]) => [
        tool,
        {
          ...each,
          structured: facts(each),
          lines: each.lines.map(({ kind, text }) => ({ kind, text: text + words })),
        },
      ]),
    ),
  };
}

describe.each(['job-lost-gpu', 'network-down'])('names on %s', machine => {
  let plain: readonly string[];
  beforeAll(async () => {
    const { page } = await screen.show(await htmlOf(await hostile(machine, 'x')));
    plain = await shapeOf(page);
    await page.close();
  });

  test.each(HOSTILE)(
    'that hold %s make no element, no attribute and no line too wide',
    async (_kind, words) => {
      const { page, offences } = await screen.show(await htmlOf(await hostile(machine, words)));
      expect(await shapeOf(page)).toEqual(plain);
      await unfold(page);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        expect(await wide(page), `${width} px`).toEqual([]);
      }
      expect(await page.evaluate('inPage.text()')).not.toMatch(
        /[\u0000-\u0008\u000b-\u001f\u202a-\u202e\u2066-\u2069\u200b-\u200f]/,
      );
      expect(offences).toEqual([]);
      await page.close();
    },
  );
});

/** What is kept to look at, each as much as a window shows. */
const SCREENS = [
  ['lost-gpu-day', 'lost-gpu', { width: 1120, height: 640 }, 'light', 0],
  ['nvlink-down-night', 'nvlink-down', { width: 800, height: 640 }, 'dark', '.joined'],
  ['training-job-phone', 'training-job', { width: 320, height: 720 }, 'light', '.gpus'],
  ['several-nodes-day', 'several nodes', { width: 1000, height: 560 }, 'light', 0],
] as const;

/** Of the squares of a picture; fonts of another release change one in fifty. */
const STRANGE_SHARE_MAX = 0.12;
const PNG_BYTES_MAX = 100_000;

test.each(SCREENS)('%s looks as it did', async (file, name, size, colorScheme, at) => {
  const answer = name === 'several nodes' ? await fleetOf(FLEET) : await reportOf(name);
  const { page } = await screen.show(await htmlOf(answer));
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize(size);
  if (at !== 0) await page.evaluate(`inPage.scrollTo('${at}')`);
  const seen = await page.screenshot();
  await page.close();
  const path = join(PROJECT, 'e2e/screens', `${file}.png`);
  const isNew = !existsSync(path);
  if (isNew) writeFileSync(path, seen);
  // Whoever changes the looks deletes the picture, runs this twice, and looks at the new one.
  expect(isNew, `${path} was not there and is written now: look at it`).toBe(false);
  const kept = readFileSync(path);
  expect(kept.length).toBeLessThanOrEqual(PNG_BYTES_MAX);
  const { sameSize, strange } = await compared(screen, kept, seen);
  expect(sameSize).toBe(true);
  expect(strange).toBeLessThan(STRANGE_SHARE_MAX);
});
