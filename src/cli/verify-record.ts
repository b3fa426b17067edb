import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { linesOf, type Written } from '../contract/answer.ts';
import { UsageError } from '../contract/errors.ts';
import { text } from '../contract/flag-values.ts';
import { plainText } from '../contract/untrusted.ts';
import { plural } from '../tools/support/wording.ts';
import { defineCommand } from './command.ts';
import { OUTPUT, word } from './flags.ts';
import { print } from './print.ts';
import { type SealedLine, sealedLine } from './record.ts';
import { SUMMARIES } from './summaries.ts';

/** What is wrong with a record, and at which line of the file. */
interface Fault {
  readonly line: number;
  readonly what: string;
}

/** Whether a record is as it was written. */
export const verifyRecord = defineCommand({
  ...SUMMARIES['verify-record'],
  examples: [
    ['$0 verify-record sessions.jsonl', 'every line in its place, and every run with its end'],
    ['$0 verify-record sessions.jsonl --last HASH', 'and that no lines were cut off behind it'],
  ],
  flags: {
    file: word('What --record wrote', { names: 'file' }),
    last: text('The hash that a run gave at its end: that line must be there'),
    ...OUTPUT,
  },
  async run(invocation) {
    const { file, last } = invocation.args;
    const { lines, runs, faults } = await verified(file, last);
    const whole = `${plainText(file, 200)}: ${plural(lines, 'line')} of ${plural(runs, 'run')}`;
    const written: readonly Written[] =
      faults.length === 0
        ? [{ kind: 'healthy', text: `${whole}, each as it was written` }]
        : [
            { kind: 'critical', text: `${whole}, and ${plural(faults.length, 'fault')}:` },
            ...faults.map(({ line, what }) => `line ${line}: ${what}`),
          ];
    const structured = { file, lines, runs, faults };
    await print({ title: 'Record', lines: linesOf(written), structured }, invocation);
    return faults.length === 0 ? 0 : 1;
  },
});

interface Run {
  readonly last: SealedLine;
  /** Of that line in the file. */
  readonly at: number;
}

/** @throws UsageError when it cannot be read. */
export async function verified(file: string, lastHash?: string) {
  const runs = new Map<string, Run>();
  const hashes = new Set<string>();
  const faults: Fault[] = [];
  let at = 0;
  for await (const textOfLine of linesIn(file)) {
    at += 1;
    const line = sealedLine(textOfLine);
    if (!line) {
      faults.push({ line: at, what: 'is no line of a record' });
      continue;
    }
    const what = faultOf(line, runs.get(line.run), hashes);
    if (what !== undefined) faults.push({ line: at, what });
    hashes.add(line.hash);
    runs.set(line.run, { last: line, at });
  }
  for (const { last, at: line } of runs.values()) {
    if (last.fact['event'] !== 'end') {
      faults.push({
        line,
        what: 'its run has no end: it was killed, or its last lines were cut off',
      });
    }
  }
  if (lastHash !== undefined && !hashes.has(lastHash)) {
    faults.push({
      line: at,
      what: `no line has the hash ${plainText(lastHash, 64)}: lines were cut off`,
    });
  }
  return { lines: at, runs: runs.size, faults };
}

function faultOf(
  { run, line, previous, isWhole }: SealedLine,
  before: Run | undefined,
  hashes: ReadonlySet<string>,
): string | undefined {
  if (!isWhole) return 'was changed: its hash is not that of its text';
  if (before === undefined) {
    if (line !== 1) return `${missing(1, line - 1)} of run ${run}`;
    // Another run may have ended between, none may be missing.
    if (previous === '' ? hashes.size > 0 : !hashes.has(previous)) {
      return 'the line that its run began behind is not before it: lines were removed or moved';
    }
    return undefined;
  }
  const { last, at } = before;
  if (line <= last.line)
    return `is out of its order: it is line ${line} of its run, behind ${last.line}`;
  if (line > last.line + 1) return `${missing(last.line + 1, line - 1)} of its run`;
  if (previous !== last.hash) return `was not written behind line ${at}: one of them was replaced`;
  return undefined;
}

const missing = (from: number, to: number): string =>
  from === to
    ? `before it line ${from} is missing`
    : `before it lines ${from} to ${to} are missing`;

async function* linesIn(file: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(
      `the record "${plainText(file, 200)}" cannot be read: ${plainText(why, 200)}`,
      'name a file that --record wrote',
    );
  }
}
