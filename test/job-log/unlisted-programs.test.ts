import { expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

/** Programs that nobody has listed, in words of their own: what they say is judged by its form alone. */

const cause = (...log: readonly string[]) => {
  const text = log.join('\n');
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  const found = readJobLog({ ...asked, text, cut: false }).entries.find(
    ({ role }) => role === 'cause',
  );
  return found && { line: found.line, layer: found.layer };
};

test.each([
  ['frobd: opening /dev/frob0: Device or resource busy', 'configuration'],
  ['zork: dial 10.0.0.7: No route to host (113)', 'fabric'],
  ['quux_cell.c:77: FROB_ASSERT(n > 0)', 'unknown'],
  ['frob::Abort::3::cells are not closed any more today', 'application'],
  ['caught fatal signal 8', 'unknown'],
  ['[frobber Error] from grid.cc: this cell has no left neighbour at all', 'application'],
  ['[2025-04-11 10:00:03] [grid] [critical] this cell lies outside of its own mesh', 'application'],
  ['[11:00:03 ERR] this cell lies outside of its own mesh', 'application'],
  ['error: frobber: this grid was not made for sm_120a', 'configuration'],
])('an error by its form: %s', (line, layer) => {
  expect(cause('frobbing', line, 'bye')).toEqual({ line: 2, layer });
});

test.each([
  ['frobd: the lease of this cell has expired', 3],
  ['WARNING frobd: no cells are available', 3],
])('where none has a form, the loudest complaint of the last lines: %s', (line, at) => {
  expect(cause('frobbing', 'INFO frobd: nothing to see', line, 'bye')?.line).toBe(at);
});

test.each([
  'FrobError: connection to peer 7 closed by the remote side',
  'FrobError: all_frob timed out while peers were absent at the barrier',
  'CellDiedError: cell 7',
  'FrobError: see the logs above for the root cause',
  'ERROR frobd: helper process 7 exited with code 3',
  'ERROR frobd: exit_code: 137',
])('what only tells of another process is no cause: %s', line => {
  expect(cause('frobbing', line, 'bye')).toBeUndefined();
});

test('what another program passes on further in is read', () => {
  const traceback = ['Traceback (most recent call last):', '  File "/a.py", line 3, in f'];
  const raised = 'FrobError: this cell is square';
  const within = (by: number) => [...traceback, raised].map(one => `${' '.repeat(by)}${one}`);
  expect(cause('frobbing', ...within(6))?.line).toBe(4);
  expect(cause('  | frobbing', ...[...traceback, raised].map(one => `  | ${one}`))?.line).toBe(4);
  expect(
    cause('frobbing', ...[...traceback, raised].map(one => `[INFO ] frobd LOG - ${one}`))?.line,
  ).toBe(4);
  expect(cause("thread 'main' panicked at src/a.rs:3:7:", '  this cell is square')?.line).toBe(2);
  expect(cause('Cell failed', ...traceback, raised)?.line).toBe(4);
  expect(cause('x', '    "message": "FrobError: this cell is square",')?.line).toBe(2);
});

test('what is done without is no cause', () => {
  const lost = 'error: frob cache /x cannot be created';
  expect(cause('frobbing', lost, 'using the frob cache /tmp instead')).toBeUndefined();
  expect(cause('frobbing', lost, 'bye')?.line).toBe(2);
});
