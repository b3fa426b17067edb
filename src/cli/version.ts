import * as z from 'zod';
import { flag } from '../contract/flag.ts';
import { DEFAULT_IMAGE, IMAGE_ENVIRONMENT, VERSION } from '../contract/version.ts';
import { SXID_EDITION, XID_EDITION } from '../xid/editions.ts';
import { defineCommand } from './command.ts';
import { write } from './io.ts';
import { SUMMARIES } from './summaries.ts';

const FORMS = ['text', 'json', 'yaml'] as const;

/** The version of plugin and agent, and of what they carry. */
export const version = defineCommand({
  ...SUMMARIES.version,
  examples: [
    ['$0 version', 'for a person'],
    ['$0 version -o json', 'for a script: with the image, the commit and Node'],
  ],
  flags: {
    output: flag(z.enum(FORMS), {
      description: 'How it is written',
      type: 'string',
      alias: 'o',
      choices: FORMS,
      default: 'text',
    }),
  },
  async run({ args, io }) {
    if (args.output === 'text') {
      await write(
        io.stdout,
        `${VERSION}\nXID catalogue: NVIDIA's edition ${XID_EDITION}; SXids: ${SXID_EDITION}\n`,
      );
      return 0;
    }
    const facts = {
      plugin: VERSION,
      agent: VERSION,
      image: io.environment[IMAGE_ENVIRONMENT] ?? DEFAULT_IMAGE,
      commit: io.program.commit ?? null,
      catalogues: { xid: XID_EDITION, sxid: SXID_EDITION },
      node: io.program.node ?? null,
    };
    const text =
      args.output === 'json'
        ? `${JSON.stringify(facts, null, 2)}\n`
        : (await import('../report/yaml.ts')).asYaml(facts);
    await write(io.stdout, text);
    return 0;
  },
});
