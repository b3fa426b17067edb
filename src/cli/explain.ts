import * as z from 'zod';
import { explainXid } from '../tools/catalog/explain-xid.ts';
import { queryOf } from '../xid/explain.ts';
import type { Command } from './command.ts';
import { OUTPUT } from './options.ts';
import { print } from './print.ts';

/** What numbers and kernel lines mean: no cluster, no node. */
export const explain: Command = {
  command: 'explain <words..>',
  description: 'Says what an XID, SXid or kernel line means and what to do (no cluster, no node)',
  examples: [
    ['$0 explain 79', 'one number'],
    ['$0 explain 149 4', 'a number with its sub-code'],
    ["$0 explain 'NVRM: Xid (PCI:0000:3b:00): 94, Contained: ...'", 'a pasted line'],
  ],
  options: yargs =>
    yargs
      .positional('words', { type: 'string', array: true, describe: 'Numbers or lines' })
      .options(OUTPUT)
      .option('opinions', {
        type: 'boolean',
        default: false,
        describe: 'Also how other tools (device plugin, GKE, EKS, ...) treat a number',
      }),
  async run({ args, raw, io }) {
    const words = z.array(z.coerce.string()).parse(raw['words']);
    const { opinions } = z.looseObject({ opinions: z.boolean() }).parse(raw);
    const answer = explainXid.question({ query: queryOf(words), opinions }).answerHere();
    await print({ title: 'What it means', ...answer }, { args, io });
    return 0;
  },
};
