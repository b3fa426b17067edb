import { plainText } from '../contract/untrusted.ts';
import { WHAT } from './failure-forms.ts';
import { type Meaning, meaningOf } from './job-texts.ts';
import { withoutSecrets } from './secrets.ts';

export const TEXT_CHARACTERS_MAX = 300;
/** A text of the tables that stands across the border of two windows lies within one of the next pair. */
const STEP_CHARACTERS = TEXT_CHARACTERS_MAX / 2;
/** Where an error begins of which no text is known. */
const BEGINS =
  /\b(?:[A-Za-z_]\w*\.){0,8}[A-Z]\w*(?:Error|Exception)\b|\b(?:fatal )?error\b|\bfatal\b/i;

/** The same in a logger's JSON, which names its level first. */
const MESSAGE = /"(?:msg|message|error|err|exception|reason)"\s?:/i;

/** What a line says in its own words, with the data that it quotes; of a long one the part that was understood. */
export function quoteOf(line: string, { id }: Pick<Meaning, 'id'>): string {
  const said = withoutSecrets(line.replace(WHAT, '').trim());
  if (said.length <= TEXT_CHARACTERS_MAX) return plainText(said, TEXT_CHARACTERS_MAX);
  const from = beginOf(said, id);
  const part = from === 0 ? said : `…${said.slice(from)}`;
  return plainText(part, TEXT_CHARACTERS_MAX);
}

/** The last place from which the same is still read, at the begin of a word; 0 where it is read at once. */
function beginOf(said: string, id: string): number {
  const means = (from: number) =>
    meaningOf(said.slice(from, from + TEXT_CHARACTERS_MAX - 1))?.id === id;
  if (means(0)) return 0;
  for (let from = STEP_CHARACTERS; from < said.length; from += STEP_CHARACTERS) {
    if (means(from)) return wordAt(said, from);
  }
  const message = said.startsWith('{') ? said.search(MESSAGE) : -1;
  return message >= 0 ? message : Math.max(0, said.search(BEGINS));
}

/** An exception's name before it belongs to it. */
function wordAt(said: string, from: number): number {
  const near = said.slice(from, from + STEP_CHARACTERS);
  const begin = near.search(BEGINS);
  return from + (begin >= 0 ? begin : Math.max(0, near.search(/\s/) + 1));
}
