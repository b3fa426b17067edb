import { VERSION } from '../contract/version.ts';
import { defineCommand } from './command.ts';
import { write } from './io.ts';

/** The version of plugin and agent. */
export const version = defineCommand({
  command: 'version',
  description: 'Prints the version of plugin and agent',
  flags: {},
  async run({ io }) {
    await write(io.stdout, `${VERSION}\n`);
    return 0;
  },
});
