import { GpuMcpError, ServerError, sentenceOf } from '../contract/errors.ts';
import { shellWord } from '../contract/printed-command.ts';
import type { NameKind, Names } from './names.ts';
import { withheld } from './public-words.ts';

/**
 * Names that may stand in sentences of ours, of an API server or a kubelet: what is looked at, before and
 * beside all answers. Answers themselves are redacted by their schemas.
 */
export interface KnownNames {
  learn(kind: NameKind, ...names: readonly (string | undefined)[]): void;
  /** The text with a token for every name that was learnt. */
  text(words: string): string;
  /** The same of an error's words, its hint, and what caused it. */
  error(error: unknown): unknown;
}

/** What a printed command is made of, whatever somebody has called his container: our words, kinds and flags. */
const OURS =
  /kubectl gpu-mcp(?: [a-z-]+)?|kubectl(?: (?:get|delete|describe|debug|logs|auth|apply)(?: [a-z]+(?= ))?)?|gpu-mcp|(?<![\w/-])(?:pod|node|job)\/|(?<![\w-])--?[a-z][a-z-]*(?:=ephemeral)?/;

export function knownNames(names: Names): KnownNames {
  const tokens = new Map<string, string>();
  const text = (words: string): string => {
    if (tokens.size === 0) return words;
    // Of two names that begin alike the longer one is meant.
    const all = [...tokens.keys()].toSorted((a, b) => b.length - a.length);
    const either = all.map(name => name.replaceAll(/[^A-Za-z0-9]/g, '\\$&')).join('|');
    const alone = new RegExp(`${OURS.source}|(?<![A-Za-z0-9])(?:${either})(?![A-Za-z0-9])`, 'g');
    return words.replaceAll(alone, found => tokens.get(found) ?? found);
  };
  /** What an API server says may hold any name: of that, those that were learnt and what everybody knows. */
  const wordsOf = (thrown: Error): string =>
    thrown instanceof ServerError && tokens.size > 0
      ? sentenceOf(thrown.told, words => (tokens.has(words) ? words : withheld(words)))
      : thrown.message;
  /** None where a word of others is in it that nobody has learnt. */
  const hintOf = (thrown: Error, hint: string): string | undefined => {
    const words = thrown instanceof ServerError ? thrown.told.words : [];
    const isForeign = (word: (typeof words)[number]) =>
      typeof word === 'string' &&
      word !== '' &&
      !tokens.has(word) &&
      hint.includes(shellWord(word));
    return tokens.size > 0 && words.some(isForeign) ? undefined : text(hint);
  };
  const error = (thrown: unknown): unknown => {
    if (!(thrown instanceof Error)) return typeof thrown === 'string' ? text(thrown) : thrown;
    const { name, stack, cause } = thrown;
    const message = wordsOf(thrown);
    // What it says is held where no copy of it has it.
    if (thrown instanceof DOMException) return new DOMException(text(message), name);
    const own = {
      ...{ message: text(message), stack: stack && text(stack), cause: error(cause) },
      ...(thrown instanceof GpuMcpError && { hint: thrown.hint && hintOf(thrown, thrown.hint) }),
      ...(thrown instanceof AggregateError && { errors: thrown.errors.map(error) }),
    };
    // Of the same class, by which others decide what to do about it.
    return Object.assign(Object.create(Object.getPrototypeOf(thrown)), thrown, own);
  };
  return {
    text,
    error,
    learn(kind, ...learnt) {
      for (const name of learnt) if (name) tokens.set(name, names.token(kind, name));
    },
  };
}
