import { expect, test } from 'vitest';
import { filesUnder, read } from './files.ts';

/** Programs that our answers and errors ask people to run. */
const COMMAND =
  /(?<!shell|\w)`(?:kubectl|nvidia-smi|dmesg|journalctl|systemctl|lspci|crictl|cat|grep|df|ls|fuser|lsof|ibstat|setpci|nvme) [^`]*\$\{/g;

/** What is put into these is typed by their reader, made of flags, or no command at all. */
const TOLD = [
  ...['src/cli/command-line.ts', 'src/cli/command.ts', 'src/cli/usage.ts', 'src/cluster/attach.ts'],
  'src/cli/fleet-answer.ts',
  ...['src/cluster/errors.ts', 'src/cluster/settings.ts', 'src/contract/printed-command.ts'],
  'src/report/incident-report.ts',
];

test('what is put into a printed command is put there by the one function that quotes it', () => {
  const bare = filesUnder('src').filter(file => (read(file).match(COMMAND) ?? []).length > 0);
  expect(bare.filter(file => !TOLD.includes(file))).toEqual([]);
});

test('what an API server says comes through one gate', () => {
  const parsers = filesUnder('src/cluster').filter(file => /\bJSON\.parse\(/.test(read(file)));
  expect(parsers).toEqual(['src/cluster/json.ts']);
  // Of a credential plugin, which is the user's own, a certificate has lines.
  const raw = filesUnder('src/cluster').filter(file => /\bparseJson\(/.test(read(file)));
  expect(raw).toEqual(['src/cluster/credentials.ts', 'src/cluster/json.ts']);
});

test('what an agent says comes through one gate', () => {
  const gates = filesUnder('src').filter(file => /\bSentFacts\.parse\(/.test(read(file)));
  expect(gates).toEqual(['src/bridge/ask-session.ts']);
  expect(read('src/bridge/ask-session.ts')).toContain('SentFacts.parse(plainData(result))');
});
