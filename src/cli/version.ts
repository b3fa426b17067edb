import { VERSION } from '../contract/version.ts';
import type { Command } from './command.ts';
import { write } from './io.ts';

/** The version of plugin and agent. */
export const version: Command = {
  command: 'version',
  description: 'Prints the version of plugin and agent',
  options: yargs => yargs,
  async run({ io }) {
    await write(io.stdout, `${VERSION}\n`);
    return 0;
  },
};
