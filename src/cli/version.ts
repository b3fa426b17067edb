import { VERSION } from '../contract/version.ts';
import { XID_EDITION } from '../xid/catalogue.ts';
import { SXID_EDITION } from '../xid/sxid-catalogue.ts';
import { defineCommand } from './command.ts';
import { write } from './io.ts';

/** The version of plugin and agent, and of the catalogues that they carry. */
export const version = defineCommand({
  command: 'version',
  description: 'Prints the version of plugin and agent, and the editions of its catalogues',
  flags: {},
  async run({ io }) {
    await write(
      io.stdout,
      `${VERSION}\nXID catalogue: NVIDIA's edition ${XID_EDITION}; SXids: ${SXID_EDITION}\n`,
    );
    return 0;
  },
});
