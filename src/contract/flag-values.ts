import * as z from 'zod';
import { type FlagOption, flag } from './flag.ts';

/** The flags that most are. */

type More = Omit<FlagOption, 'description' | 'type' | 'choices' | 'default'>;

export const text = (description: string, more: More = {}) =>
  flag(z.string().optional(), { description, type: 'string', ...more });

export const texts = (description: string, more: More = {}) =>
  flag(z.array(z.string()).optional(), { description, type: 'array', ...more });

/** On or off; off where it is not given. */
export const toggle = (description: string, more: More = {}) =>
  flag(z.boolean().default(false), { description, type: 'boolean', ...more });

export const choice = <const Words extends readonly string[]>(
  words: Words,
  description: string,
  more: More = {},
) => flag(z.enum(words).optional(), { description, type: 'string', choices: words, ...more });
