import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

/** Whoever writes a log may write it to be slow: no form is looked for at each character of a run of one sign. */

const read = (text: string) =>
  readJobLog({
    container: 'train',
    previous: false,
    requests: 1,
    bytes: text.length,
    text,
    cut: false,
  });

/** Every regular expression that reading some text runs. */
function formsRun(text: string): readonly string[] {
  const forms = new Set<string>();
  const { exec } = RegExp.prototype;
  // Tests, searches and replacements run it, too.
  RegExp.prototype.exec = function exec_(this: RegExp, said: string) {
    forms.add(this.source);
    return Reflect.apply(exec, this, [said]);
  };
  try {
    read(text);
  } finally {
    RegExp.prototype.exec = exec;
  }
  return [...forms];
}

/** What `|` parts outside of all groups. */
function alternativesOf(source: string): readonly string[] {
  const found = [''];
  let depth = 0;
  for (const [token] of source.matchAll(/\\.|\[(?:\\.|[^\]\\])*\]|./gs)) {
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (token === '|' && depth === 0) found.push('');
    else found.push(`${found.pop()}${token}`);
  }
  return found;
}

/** `[-=*]{4,}`, `.*`: it begins anywhere, and takes all that there is. */
const BEGINS_ANYWHERE =
  /^(?:\((?:\?:)?)*(?:\[(?:\\.|[^\]\\])*\]|\\[wsdSWD]|\.)(?:[+*]|\{\d+,\})(?!$)/;

test('no form begins at any character and runs to the end of a line', () => {
  const Programs = z.array(z.object({ log: z.array(z.string()) }));
  const file = new URL('programs.json', import.meta.url);
  const programs = Programs.parse(JSON.parse(readFileSync(file, 'utf8')));
  const forms = formsRun(programs.flatMap(({ log }) => log).join('\n'));
  expect(forms.length).toBeGreaterThan(150);
  expect(forms.filter(form => alternativesOf(form).some(one => BEGINS_ANYWHERE.test(one)))).toEqual(
    [],
  );
});

/** How many times any of them runs. */
function timesRun(text: string): number {
  let times = 0;
  const { exec } = RegExp.prototype;
  RegExp.prototype.exec = function exec_(this: RegExp, said: string) {
    times += 1;
    return Reflect.apply(exec, this, [said]);
  };
  try {
    read(text);
  } finally {
    RegExp.prototype.exec = exec;
  }
  return times;
}

test.each([
  ['tries that end well', 'connecting to peer #: Connection timed out', 'connected to peer'],
  ['memory that is short', 'CUDA out of memory. Tried to allocate # MiB', 'step 1'],
  [
    'a place that is awaited',
    '0/3 nodes are available: 3 Insufficient nvidia.com/gpu. #',
    'job started',
  ],
  ['watchdogs', 'Rank #] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=#', ''],
])('a storm is read line by line, not each line beside all others: %s', (_, line, end) => {
  const storm = (lines: number) =>
    timesRun(
      [...Array.from({ length: lines }, (_one, at) => line.replaceAll('#', `${at}`)), end].join(
        '\n',
      ),
    );
  expect(storm(800) / storm(400)).toBeLessThan(2.3);
});
