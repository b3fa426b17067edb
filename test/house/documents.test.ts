import { expect, test } from 'vitest';
import * as z from 'zod';
import { DoctorReport } from '../../src/contract/doctor.ts';
import { AnswerList, GpuNodeList } from '../../src/contract/fleet.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { allXidEntries, XID_EDITION, xidVerdict } from '../../src/xid/catalogue.ts';
import { allPastedTexts } from '../../src/xid/pasted-texts.ts';
import { pageOf } from '../fakes/pages.ts';
import { read } from './files.ts';

/** Pages that come from code. `npm run docs` writes them anew. */

/** The page with what stands between its markers replaced. */
function withSection(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from === -1 || to < from) throw new Error(`the page has no section ${begin} ... ${end}`);
  return `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`;
}

const cell = (text: string) => text.replaceAll('|', '\\|');

test('README shows a page as it is printed and lists every tool', async () => {
  const shown = await pageOf('lost-gpu');
  const tools = [
    '| Tool | What it tells |',
    '| --- | --- |',
    ...TOOLS.map(({ name, description }) => `| \`${name}\` | ${cell(description)} |`),
  ].join('\n');
  const page = withSection(read('README.md'), 'page', `\`\`\`text\n${shown}\`\`\``);
  await expect(withSection(page, 'tools', tools)).toMatchFileSnapshot('../../README.md');
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
