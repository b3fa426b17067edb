import { expect, test } from 'vitest';
import * as z from 'zod';
import { SUMMARIES } from '../../src/cli/summaries.ts';
import { DoctorReport } from '../../src/contract/doctor.ts';
import { AnswerList, GpuNodeList } from '../../src/contract/fleet.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { allXidEntries, xidVerdict } from '../../src/xid/catalogue.ts';
import { XID_EDITION } from '../../src/xid/editions.ts';
import { allPastedTexts } from '../../src/xid/pasted-texts.ts';
import { run } from '../cli/run.ts';
import { pageOf } from '../fakes/pages.ts';
import { terminalPicture } from '../fakes/terminal-picture.ts';
import { filesUnder, read } from './files.ts';
import { cell, withSection } from './sections.ts';

/** Pages that come from code. `npm run docs` writes them anew. */

test('docs/triage.svg is the page as a terminal shows it', async () => {
  const coloured = await pageOf('lost-gpu', { colour: true });
  const picture = terminalPicture('kubectl gpu-mcp triage --simulate lost-gpu', coloured);
  await expect(picture).toMatchFileSnapshot('../../docs/triage.svg');
});

test('docs/clients.md lists every tool', async () => {
  const tools = [
    '| Tool | What it tells |',
    '| --- | --- |',
    ...TOOLS.map(({ name, description }) => `| \`${name}\` | ${cell(description)} |`),
  ].join('\n');
  await expect(withSection(read('docs/clients.md'), 'tools', tools)).toMatchFileSnapshot(
    '../../docs/clients.md',
  );
});

test('docs/xid.md is the catalogue', async () => {
  const rows = allXidEntries().map(entry => {
    const { action } = xidVerdict(entry.code);
    const nvidia = [entry.immediate ?? 'none published', entry.investigatory].filter(Boolean);
    const gpus = entry.appliesTo === null ? '?' : entry.appliesTo.join(', ') || 'older ones';
    const when = entry.when === null ? '' : ` ${cell(entry.when)}`;
    return `| ${entry.code} | ${cell(entry.title)} | ${action} | ${entry.blame} | ${nvidia.join(', ')} | ${gpus} | ${entry.recovery154 ?? ''} | ${cell(entry.summary)}${when} ${cell(entry.advice)} |`;
  });
  const page = [
    '# XIDs',
    '',
    `What each number means and what to do. The catalogue of this project, after NVIDIA's (edition ${XID_EDITION});`,
    'facts, sources and how other tools treat each number are in `src/xid/catalogue.json`, and',
    '`kubectl gpu-mcp explain NUMBER` prints them. A line can say more than its number: paste it.',
    'GPUs are those of its columns; the driver is the one from which an XID 154 goes with the number.',
    '',
    '| XID | what | action | blame | NVIDIA says | GPUs | XID 154 | in short |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    '## Texts of what stands on the driver',
    '',
    'What `explain` knows beside kernel lines; texts and sources are in `src/xid/pasted-texts.json`.',
    '',
    '| text | what | layer | action | in short | next |',
    '| --- | --- | --- | --- | --- | --- |',
    ...allPastedTexts().map(
      ({ texts, title, layer, action, meaning, advice, next }) =>
        `| ${cell(texts[0] ?? '')} | ${cell(title)} | ${layer} | ${action} | ${cell(meaning)} ${cell(advice)} | \`${cell(next)}\` |`,
    ),
    '',
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../../docs/xid.md');
});

test('docs/json.md has the schemas of its documents', async () => {
  const block = (schema: z.ZodType) =>
    `\`\`\`json\n${JSON.stringify(z.toJSONSchema(schema), null, 1)}\n\`\`\``;
  const page = withSection(read('docs/json.md'), 'answer-list', block(AnswerList));
  const nodes = withSection(page, 'gpu-node-list', block(GpuNodeList));
  await expect(withSection(nodes, 'doctor-report', block(DoctorReport))).toMatchFileSnapshot(
    '../../docs/json.md',
  );
});

const block = (text: string) => `\`\`\`text\n${text.trimEnd()}\n\`\`\``;

/** What each command is shown with: words, and what it reads on stdin. */
const SHOWN: Readonly<Record<string, readonly (readonly [string, string?])[]>> = {
  explain: [['explain 79'], ['explain "149 4"']],
  analyze: [
    [
      'analyze -',
      '[ 1234.567890] NVRM: Xid (PCI:0000:61:00): 79, pid=0, GPU has fallen off the bus.\n',
    ],
  ],
  manifest: [['manifest namespace -n gpu-mcp']],
  tools: [['tools']],
};

const words = (line: string) =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, a, b]) => a ?? b ?? '');

test('docs/commands.md has the help of every command and what some print', async () => {
  const nowMs = Date.parse('2026-11-27T12:00:00Z');
  const sections: string[] = [];
  for (const [name, { description }] of Object.entries(SUMMARIES)) {
    const lines = [`## ${name}`, '', `${description}.`, ''];
    lines.push(block((await run([name, '--help'])).stdout));
    for (const [line, input] of SHOWN[name] ?? []) {
      const { stdout } = await run(words(line), { nowMs, ...(input !== undefined && { input }) });
      const typed = `$ ${input === undefined ? '' : `echo '${input.trim()}' | `}kubectl gpu-mcp ${line}`;
      lines.push('', block(`${typed}\n${stdout}`));
    }
    if (name === 'triage') {
      const page = await pageOf('ecc-row-remap');
      lines.push('', block(`$ kubectl gpu-mcp triage --simulate ecc-row-remap\n${page}`));
    }
    sections.push(lines.join('\n'));
  }
  const page = [
    '# Commands',
    '',
    'Every command with its help, and what some of them print. All of it is what the program says: `npm run docs` writes it anew.',
    '',
    ...sections.flatMap(section => [section, '']),
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../../docs/commands.md');
});

test('docs/jobs.md counts the logs of public threads as they are', async () => {
  const lots = filesUnder('test/job-log/public').map(file =>
    z.array(z.unknown()).parse(JSON.parse(read(file))),
  );
  const logs = lots.reduce((sum, lot) => sum + lot.length, 0);
  const told = `${logs} logs of public threads (\`test/job-log/public\`), in ${lots.length} lots`;
  const said = /\d+ logs of public threads \(`test\/job-log\/public`\), in \w+ lots/;
  const page = read('docs/jobs.md');
  expect(page).toMatch(said);
  await expect(page.replace(said, told)).toMatchFileSnapshot('../../docs/jobs.md');
});
