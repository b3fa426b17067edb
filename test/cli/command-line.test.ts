import { describe, expect, test } from 'vitest';
import { FakeApiServer } from '../cluster/fake-api-server.ts';
import { run } from './run.ts';

describe('usage errors: one sentence, what to try, exit code 2, nothing on stdout', () => {
  test.each([
    [['triage'], /^error: name a node\ntry: /],
    [['triage', '--local', 'node-a'], /--local and --simulate take no node/],
    [['triage', '--local', '--simulate', 'lost-gpu'], /exclude each other/],
    [['triage', 'node-a', '--from', 'a.gz'], /--from takes no node beside it/],
    [['triage', '--from', '/dev/zero'], /"\/dev\/zero" could not be read: it is not a file/],
    [['triage', '--from', 'nothing.gz'], /bundle "nothing.gz" could not be read: ENOENT/],
    [
      ['triage', '--from', 'package.json'],
      /is not a bundle: it lacks the head of one\ntry: .* capture /,
    ],
    [
      ['capture', '--simulate', 'lost-gpu'],
      /^error: --file is missing\ntry: kubectl gpu-mcp capture \[target\.\.\] --file FILE/,
    ],
    [
      ['diff'],
      /^error: this command needs more words\ntry: kubectl gpu-mcp diff <before> \[after\]/,
    ],
    [['explain'], /needs more words\ntry: kubectl gpu-mcp explain <words\.\.>/],
    [
      ['capture', '--simulate', 'lost-gpu', '-f', 'package.json'],
      /is there already\ntry: .*--force/,
    ],
    [['capture', '--simulate', 'lost-gpu', '-f', 'x', '--seconds', '60'], /--seconds is wrong/],
    [
      ['capture', '--simulate', 'lost-gpu', '-f', 'no/such/folder/x'],
      /could not be written: ENOENT/,
    ],
    [['capture', 'a', 'b', '-f', 'x'], /a bundle holds one node/],
    [['diff', 'before.gz'], /two moments/],
    [['diff', 'before.gz', 'after.gz'], /"before.gz" could not be read/],
    [['triage', '--simulate', 'dgx-1'], /no simulated machine "dgx-1"\ntry: .*dgx-h100/],
    [
      ['triage', '--local', '--driver-root', '/no/such/folder'],
      /^error: the folder "\/no\/such\/folder" of --driver-root is not there\n/,
    ],
    [['triage', 'node-a', 'node/node-a'], /node "node-a" is named twice/],
    [['triage', 'node-a', '--such-flag'], /^error: there is no flag --such-flag\n/],
    [['nodes', '--cache-dir', 'x'], /^error: --cache-dir is refused: nothing is cached here/],
    [['nodes', '--match-server-version'], /^error: --match-server-version is refused: this plugin/],
    [['nodes', '--warnings-as-errors'], /^error: --warnings-as-errors is refused: warnings/],
    [['trige', 'node-a'], /^error: there is no command "trige"\ntry: did you mean triage\?/],
    [['-n', 'x', 'Nodes'], /^error: there is no command "Nodes"\ntry: did you mean nodes\?/],
    [['triage', 'node-a', '--output', 'xml'], /output/],
    [
      ['call', '--simulate', 'lost-gpu', 'reset_gpu'],
      /no tool "reset_gpu"\ntry: .*triage_gpu_node/,
    ],
    [
      ['call', '--simulate', 'lost-gpu', 'get_gpu_health', '--input', '{'],
      /--input .* not a JSON object/,
    ],
    [['call', '--simulate', 'lost-gpu', 'analyze_xid_errors', '--limit', 'ten'], /"limit"/],
    [['explain', 'my', 'GPU', 'is', 'sad'], /no XID, SXid, kernel line or error text/],
    [['analyze', '-', '--time-zone', 'Mars/Olympus'], /not a time zone/],
    [['manifest', 'pod'], /name the node/],
  ])('%j', async (argv, sentence) => {
    const ran = await run(argv);
    expect(ran.stderr).toMatch(sentence);
    expect(ran.stdout).toBe('');
    expect(ran.code).toBe(2);
  });
});

test.each([
  [['-o', 'json', 'explain', '79']],
  [['--output=json', 'explain', '79']],
  [['-o', 'json', '--no-color', 'explain', '79']],
])('the command is found wherever it stands: %j', async argv => {
  expect(await run(argv)).toEqual(await run(['explain', '79', '-o', 'json']));
});

test('--help lists every command, and no hidden one', async () => {
  const { stdout, code } = await run(['--help']);
  expect(code).toBe(0);
  for (const name of [
    'triage',
    'call',
    'tools',
    'nodes',
    'doctor',
    'explain',
    'analyze',
    'capture',
    'diff',
    'manifest',
    'verify-record',
    'clean',
  ]) {
    expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  }
  expect(stdout).not.toMatch(/\breap\b/);
});

test.each([
  [['-v=6'], true],
  [['--v', '2'], true],
  [['-v'], true],
  [['-v=0'], false],
  [['--v', '0'], false],
])('kubectl’s level of its log, %j, is ours: seconds, or none', async (level, isVerbose) => {
  await using api = await FakeApiServer.start();
  const access = ['--kubeconfig', await api.kubeconfig(), '--image', 'example/a:1'];
  const { stderr } = await run(['triage', ...level, 'node-a', ...access]);
  const line = 'node node-a, --context=fake, namespace gpu-mcp';
  expect(stderr.split('\n')[0]?.replace(/^\[\d+\.\d\d s\] /, '[s] ')).toBe(
    isVerbose ? `[s] ${line}` : line,
  );
});
