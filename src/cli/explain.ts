import * as z from 'zod';
import { flag } from '../contract/flag.ts';
import { explainXid } from '../tools/catalog/explain-xid.ts';
import { queryOf } from '../xid/explain.ts';
import { defineCommand } from './command.ts';
import { OUTPUT, PLACE, words } from './flags.ts';
import { print } from './print.ts';
import { SUMMARIES } from './summaries.ts';

/** What numbers and kernel lines mean: no cluster, no node. */
export const explain = defineCommand({
  ...SUMMARIES.explain,
  examples: [
    ['$0 explain 79', 'one number'],
    ['$0 explain 149 4', 'a number with its sub-code'],
    ["$0 explain 'NVRM: Xid (PCI:0000:3b:00): 94, Contained: ...'", 'a pasted line'],
  ],
  flags: {
    words: words('Numbers or lines'),
    ...OUTPUT,
    ...PLACE,
    opinions: flag(z.boolean(), {
      description: 'Also how other tools (device plugin, GKE, EKS, ...) treat a number',
      type: 'boolean',
      default: false,
    }),
  },
  async run(invocation) {
    const { words: queried, opinions, place } = invocation.args;
    const answer = explainXid.question({ query: queryOf(queried), opinions, place }).answerHere();
    await print({ title: 'What it means', ...answer }, invocation);
    return 0;
  },
});
