import * as z from 'zod';
import { flag } from '../contract/flag.ts';

/** For every command. */
export const COMMON = {
  quiet: flag(z.boolean(), {
    description: 'No progress on stderr',
    type: 'boolean',
    alias: 'q',
    default: false,
  }),
  verbose: flag(z.boolean(), {
    description: 'Progress with the seconds since the start',
    type: 'boolean',
    alias: 'v',
    default: false,
  }),
} as const;
