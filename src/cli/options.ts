import { CONNECTION } from '../cluster/connection-flags.ts';
import { dashed, optionOf } from '../contract/flag.ts';
import { defineCommand } from './command.ts';
import { COMMON } from './common-flags.ts';
import { POD } from './flags.ts';
import { write } from './io.ts';
import { SUMMARIES } from './summaries.ts';

/** The flags that every command over nodes takes, as `kubectl options` lists kubectl's. */
export const options = defineCommand({
  ...SUMMARIES.options,
  flags: {},
  async run({ io }) {
    const parts = { 'Connection:': CONNECTION, 'Debug pod:': POD, 'All commands:': COMMON };
    const text = Object.entries(parts).map(([title, flags]) => {
      const rows = Object.entries(flags).map(([key, schema]) => {
        const { alias, description = '' } = optionOf(schema);
        return `${`${alias ? `-${alias}, ` : '    '}--${dashed(key)}`.padEnd(32)}${description}`;
      });
      return `${title}\n${rows.map(row => `  ${row}`).join('\n')}`;
    });
    await write(io.stdout, `${text.join('\n\n')}\n`);
    return 0;
  },
});
