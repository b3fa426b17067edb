import { linesOf } from '../contract/answer.ts';
import { TOOLS } from '../tools/index.ts';
import { listed } from '../tools/listing.ts';
import { defineCommand } from './command.ts';
import { OUTPUT } from './flags.ts';
import { print } from './print.ts';
import { SUMMARIES } from './summaries.ts';

/** What can be asked; no cluster is spoken to. */
export const tools = defineCommand({
  ...SUMMARIES.tools,
  flags: OUTPUT,
  async run(invocation) {
    const lines = linesOf(TOOLS.flatMap(tool => [tool.name, `    ${tool.description}`]));
    const structured = { tools: TOOLS.map(listed) };
    await print({ title: 'Tools', lines, structured }, invocation);
    return 0;
  },
});
