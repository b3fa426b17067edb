import { plainText } from '../contract/untrusted.ts';
import { exceptionMeaning, ofItsWords, ownFailure, waitedInVain } from './by-words.ts';
import { tellsOfNone } from './harmless-lines.ts';
import { type Meaning, mayReport, meaningOf } from './job-texts.ts';
import type { Line } from './log-lines.ts';

/** What one line means by its own level, by the table of texts and by its words; undefined where it tells of no failure. */
export function meaningOfLine(
  { level, text }: Line,
  exception: string | undefined,
  next: () => readonly Line[],
): Meaning | undefined {
  if (level === 'quiet' && !mayReport(text)) return undefined;
  const found = meaningOf(byShell(text) ?? text, exception);
  if (level === 'quiet' && !(found?.role === 'report')) return undefined;
  if (level === 'warning' && (!found || (mayPass(found, next()) && !ENDS_TRYING.test(text)))) {
    return undefined;
  }
  const below = () => next().map(one => one.text);
  const own = found?.id === 'launcher-report' ? ownFailure(text, exception) : undefined;
  if (own) return own;
  if (found) {
    const isNone = tellsOfNone(found.id, found.layer, text, below());
    return isNone ? undefined : ofItsWords(found, text, below());
  }
  if (exception === undefined) return level === 'error' ? waitedInVain(text) : undefined;
  const title = `Exception ${plainText(exception, 60)}`;
  // What it says may begin in the line below.
  const words = /:\s*$/.test(text) ? [text, ...below()].join(' ') : text;
  const raised = exceptionMeaning(exception, title, words);
  const isOfBuild = raised.layer === 'application' && BUILD_ENDS.test(below()[0] ?? '');
  return isOfBuild ? { ...raised, ...OF_BUILD } : raised;
}

/** pip shows so what the build of a package wrote: the package, and not the program, raised it. */
const BUILD_ENDS = /^\s*\[end of output\]/;
const OF_BUILD = {
  ...{ layer: 'configuration', action: 'fix_configuration' },
  advice: 'A package could not be built: install one that is built for this Python and this CUDA.',
} satisfies Partial<Meaning>;

/** What a shell says of a program that a signal ended: `Killed`, `run.sh: line 3:    77 Terminated   python`. */
const BY_SHELL =
  /^(?:\S{1,200}: line \d{1,9}: {1,8}\d{1,10} )?(Killed|Terminated|Floating point exception|Bad system call)(?: {2,}|\s*$)/;
/** The same in words of the table. */
function byShell(text: string): string | undefined {
  if (text.endsWith(': not found') && OF_DASH.test(text)) return 'command not found';
  const word = BY_SHELL.exec(text)?.[1];
  return word && (OF_SHELL[word] ?? `${word} (`);
}
/** dash: `/bin/sh: 1: torchrun: not found`. */
const OF_DASH = /^\S{1,200}: \d{1,6}: (?:exec: )?[^\s:]{1,200}: not found$/;
const OF_SHELL: Readonly<Record<string, string>> = {
  Killed: ' killed ',
  Terminated: 'received sigterm',
};

/** What is no warning of what may come: dask has ended a worker, pip has tried for the last time. */
const ENDS_TRYING = /\bmemory budget\b.{0,20}\brestarting\b|\bRetry\(total=0,/i;

/** Launchers only warn of the signal that ends them. */
const OF_SIGNALS = /^(?:session-ended|cancelled)$/;

/** Libraries warn of much that ends nothing; not of what an error below says again, or of what others did. */
const mayPass = ({ id, role, layer }: Meaning, next: readonly Line[]): boolean =>
  (role === 'cause' || layer === 'fabric') &&
  !OF_SIGNALS.test(id) &&
  !next.some(({ level, text }) => level === 'error' && meaningOf(text)?.id === id);
