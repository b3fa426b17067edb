import { dashed, type Flags, optionOf } from '../contract/flag.ts';
import type { Command } from './command.ts';

/** A command line by the tables alone. */

export const optionIn = (flags: Flags, key: string) => {
  const schema = flags[key];
  return schema === undefined ? {} : optionOf(schema);
};

/** The flag that is written so, as the table names it. */
export const keyOf = (name: string | undefined, flags: Flags): string | undefined =>
  Object.keys(flags).find(key => {
    const { alias, isWord } = optionIn(flags, key);
    return isWord !== true && (name === `--${dashed(key)}` || name === `-${alias}`);
  });

export const takesValue = (flags: Flags, key: string | undefined): key is string =>
  key !== undefined && key in flags && optionIn(flags, key).type !== 'boolean';

interface Slot {
  readonly key: string;
  readonly isNeeded: boolean;
  readonly isList: boolean;
}

/** The places of `manifest <kind> [node]`. */
export const slotsOf = ({ command }: Pick<Command, 'command'>): readonly Slot[] =>
  [...command.matchAll(/([<[])(\w+)(\.\.)?[>\]]/g)].map(([, opens, key = '', dots]) => ({
    ...{ key, isNeeded: opens === '<', isList: dots !== undefined },
  }));

type Raw = Record<string, unknown>;

/**
 * The arguments of a line in which nothing is unusual, as yargs would give them; undefined for any
 * other, which yargs reads and explains. Loading and running it takes a third of a short command.
 */
export function plainArguments(words: readonly string[], command: Command): Raw | undefined {
  const { flags } = command;
  const raw: Raw = {};
  const placed: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (!word.startsWith('-')) {
      placed.push(word);
      continue;
    }
    const [, name, inline] = /^(--[a-z][a-z-]*|-[a-zA-Z])(?:=(.+))?$/s.exec(word) ?? [];
    const key = keyOf(name, flags);
    // yargs takes `--no-x` for the opposite of `--x`, whatever flag is called so.
    if (inline === undefined && name?.startsWith('--no-')) return undefined;
    if (key === undefined || (inline !== undefined && !word.startsWith('--'))) return undefined;
    const next = words[at + 1];
    if (takesValue(flags, key)) {
      if (inline === undefined) at += 1;
      if (!added(raw, key, inline ?? next, flags)) return undefined;
    } else {
      const isUnusual = inline !== undefined || key in raw || next === 'true' || next === 'false';
      if (isUnusual) return undefined;
      raw[key] = true;
    }
  }
  return isPlaced(raw, placed, command) ? withDefaults(raw, flags) : undefined;
}

/** Whether the value can be the flag's. */
function added(raw: Raw, key: string, value: string | undefined, flags: Flags): boolean {
  const { choices, isRepeated, type } = optionIn(flags, key);
  const isValue = value !== undefined && value !== '' && !value.startsWith('-');
  if (!isValue || (choices && !choices.includes(value))) return false;
  const before = raw[key];
  if (before !== undefined && type !== 'array' && isRepeated !== true) return false;
  raw[key] = before === undefined && type !== 'array' ? value : [before ?? [], value].flat();
  return true;
}

/** Whether each word has its place, and each place that needs a word has one. */
function isPlaced(raw: Raw, placed: readonly string[], command: Command): boolean {
  const slots = slotsOf(command);
  let left = [...placed];
  for (const { key, isNeeded, isList } of slots) {
    const taken = isList ? left : left.slice(0, 1);
    left = left.slice(taken.length);
    if (isNeeded && taken.length === 0) return false;
    const { choices } = optionIn(command.flags, key);
    if (taken.some(word => word === '' || (choices && !choices.includes(word)))) return false;
    if (isList) raw[key] = taken;
    else if (taken.length > 0) raw[key] = taken[0];
  }
  return left.length === 0;
}

function withDefaults(raw: Raw, flags: Flags): Raw | undefined {
  for (const key of Object.keys(flags)) {
    if (key in raw) continue;
    const { default: usual, demandOption } = optionIn(flags, key);
    if (demandOption === true) return undefined;
    if (usual !== undefined) raw[key] = usual;
  }
  return raw;
}
