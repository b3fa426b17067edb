import { linesOf } from '../contract/answer.ts';
import { TOOLS } from '../tools/index.ts';
import { listed } from '../tools/listing.ts';
import type { Command } from './command.ts';
import { OUTPUT } from './options.ts';
import { print } from './print.ts';

/** What can be asked; no cluster is spoken to. */
export const tools: Command = {
  command: 'tools',
  description: 'Lists what can be asked of a node',
  options: yargs => yargs.options(OUTPUT),
  async run({ args, io }) {
    const lines = linesOf(TOOLS.flatMap(tool => [tool.name, `    ${tool.description}`]));
    await print({ title: 'Tools', lines, structured: { tools: TOOLS.map(listed) } }, { args, io });
    return 0;
  },
};
