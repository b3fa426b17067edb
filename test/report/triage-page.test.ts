import stringWidth from 'fast-string-width';
import { describe, expect, test } from 'vitest';
import { withCommands } from '../../src/contract/printed-command.ts';
import { documentOf, rendered } from '../../src/report/render.ts';
import { MACHINES } from '../../src/simulation/machine.ts';
import { formOf, pageOf, triageOf } from '../fakes/pages.ts';

const SCREEN_ROWS = 24;
const WIDTHS = [60, 80, 120, 200] as const;

const widest = (page: string): number => Math.max(...page.split('\n').map(line => line.length));

/** Words of a page, whatever lines they are on; a command's line ends say nothing. */
const wordsOf = (page: string): readonly string[] =>
  page
    .replaceAll(' \\\n', ' ')
    .split(/\s+/)
    .filter(word => word !== '');

describe.each(MACHINES.map(({ name }) => name))('the page of %s', name => {
  test('fits every terminal with no word cut', async () => {
    const answer = await triageOf(name);
    const whole = wordsOf(await rendered(answer, formOf({ width: 1_000 })));
    for (const width of WIDTHS) {
      for (const details of [false, true]) {
        const page = await rendered(answer, formOf({ width, details }));
        const wide = page.split('\n').filter(line => line.length > Math.min(width, 120));
        // A word that no shell takes in two keeps its line.
        expect(wide.filter(line => line.trim().replace(/ \\$/, '').includes(' '))).toEqual([]);
        if (!details) expect([...wordsOf(page)].sort()).toEqual([...whole].sort());
      }
    }
  });

  test('holds verdict, impact, steps and GPUs on one screen', async () => {
    const answer = await triageOf(name);
    const page = await rendered(answer, formOf());
    const screen = page.split('\n').slice(0, SCREEN_ROWS).join('\n');
    const gpus = page.split('\n').filter(line => /^(?:GPU|\d+ GPUs) /.test(line));
    expect(screen).toMatch(/^(?:CRITICAL|WARNING|HEALTHY|UNKNOWN) {2}\S/);
    expect(screen).toMatch(/^DO {4}/m);
    if (!screen.startsWith('HEALTHY')) expect(screen).toMatch(/^HIT {3}/m);
    for (const line of gpus) expect(screen.split('\n')).toContain(line);
  });

  test('has no code word', async () => {
    const answer = await triageOf(name);
    const page = await rendered(answer, formOf());
    expect(
      page.match(
        /\b(?:reboot_node|reset_gpu|fix_configuration|gpu_is_lost|drain_and_reset|restart_app|contact_support|power_cycle)\b/g,
      ),
    ).toBeNull();
  });
});

test('what a ComputeDomain waits for is on the page beside a fault', async () => {
  expect(await pageOf('dra-tainted-gpu')).toMatch(
    /^ALSO {2}ComputeDomain\/train of ml waits for other nodes: gb200-tray-04\.$/m,
  );
});

test.each(['lost-gpu', 'dgx-h100', 'ecc-row-remap', 'hung-driver', 'devices-lost'])(
  'the page of %s as a person reads it',
  async name => {
    await expect(await pageOf(name)).toMatchFileSnapshot(`pages/${name}.txt`);
  },
);

test('nothing of a page is wider than its widest word at 60 columns', async () => {
  const page = await rendered(await triageOf('lost-gpu'), formOf({ width: 60 }));
  expect(widest(page)).toBeLessThanOrEqual(60);
});

test('what a node took of the API server stands under its page, and nothing where none was asked', async () => {
  const asked = { requests: 9, bytes: 41_203 };
  const answer = await triageOf('lost-gpu');
  const joined = { ...answer, structured: { ...answer.structured, cluster: { asked } } };
  expect(await rendered(joined, formOf())).toMatch(/of the API server:\s9 requests, 41203 bytes\./);
  expect(await rendered(answer, formOf())).not.toContain('of the API server');
});

test('a document is made of facts alone', async () => {
  const { structured, ...rest } = await triageOf('lost-gpu');
  const alone = { ...rest, lines: [], structured: JSON.parse(JSON.stringify(structured)) };
  expect(await documentOf(alone, formOf())).toEqual(
    await documentOf(await triageOf('lost-gpu'), formOf()),
  );
});

test('every command of a page asks the cluster that its reader asked, quoted, and breaks between words', async () => {
  const commandWords = { connection: ['--context=prod eu', '--as=bob'], namespace: ['-n', 'ops'] };
  const asked = { ...(await triageOf('lost-gpu')), commandWords };
  const ofNode = JSON.stringify(asked.structured).replaceAll('--simulate=lost-gpu', 'dgx-h100-07');
  // The facts of a node carry them already.
  const facts = withCommands(JSON.parse(ofNode), commandWords);
  const page = await rendered({ ...asked, structured: facts }, formOf());
  const joined = page
    .replaceAll(/ \\\n */g, ' ')
    .split('\n')
    .map(line => line.trim());
  expect(joined.filter(line => /kubectl /.test(line))).toEqual([
    "1  kubectl gpu-mcp capture '--context=prod eu' --as=bob -n ops dgx-h100-07 -f before.json.gz",
    "2  kubectl '--context=prod eu' --as=bob drain dgx-h100-07 --ignore-daemonsets --delete-emptydir-data",
    "kubectl '--context=prod eu' --as=bob debug node/dgx-h100-07 -it --profile=sysadmin --image=ubuntu -- chroot /host",
  ]);
});

test.each([
  ['of wide characters', '\u65e5\u672c\u8a9e\u306e\u540d\u524d'.repeat(8)],
  ['of emoji', '\u{1f525}'.repeat(40)],
  ['without an end', 'x'.repeat(300)],
  ['that looks like a page', 'CRITICAL  node   8 of 8 GPUs lost'],
])('a process with a name %s makes no line too wide', async (_kind, name) => {
  const answer = await triageOf('lost-gpu');
  const text = JSON.stringify(answer.structured).replaceAll('pt_main_thread', name);
  for (const width of WIDTHS) {
    const form = formOf({ width, details: true });
    const page = await rendered({ ...answer, structured: JSON.parse(text) }, form);
    const wide = page.split('\n').filter(line => stringWidth(line) > Math.min(width, 120));
    expect(wide.filter(line => line.includes(name.slice(0, 2)))).toEqual([]);
    expect(page.split('\n')[0]).toMatch(/^CRITICAL {2}lost-gpu /);
  }
});

test('below a page that is higher than the terminal its verdict stands once more', async () => {
  const answer = await triageOf('lost-gpu');
  const whole = await rendered(answer, formOf());
  const rows = whole.split('\n').length;
  expect(await rendered(answer, formOf({ rows }))).toBe(whole);
  expect(await rendered(answer, formOf({ rows: SCREEN_ROWS }))).toBe(
    `${whole}\nCRITICAL  lost-gpu: GPU 3 (0000:61:00) is lost: it fell off the PCIe bus.\n`,
  );
});
