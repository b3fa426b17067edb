import { rendered } from '../report/answer.ts';
import { TOOLS } from '../tools/index.ts';
import { listed } from '../tools/listing.ts';
import { useColour } from './ask.ts';
import type { Command } from './command.ts';
import { write } from './io.ts';
import { OUTPUT } from './options.ts';

/** What can be asked; no cluster is spoken to. */
export const tools: Command = {
  command: 'tools',
  description: 'Lists what can be asked of a node',
  options: yargs => yargs.options(OUTPUT),
  async run({ args, io }) {
    const text = TOOLS.map(tool => `${tool.name}\n    ${tool.description}`).join('\n');
    const answer = { title: 'Tools', text, structured: { tools: TOOLS.map(listed) } };
    const form = { format: args.output, colour: useColour(args.color, io) };
    await write(io.stdout, rendered(answer, form));
    return 0;
  },
};
