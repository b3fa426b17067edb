import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { run } from './run.ts';

/** No cluster is there: whatever asks one ends with 3. */
const NO_CLUSTER = { environment: { KUBECONFIG: '/nowhere/config' } };

type Case = readonly [argv: string, sentence: RegExp, hint: RegExp];

const WRONG: readonly Case[] = [
  // A first word that is no command.
  ['traige gpu-1', /no command "traige"/, /did you mean triage\?.*triage traige/],
  ['trage', /no command "trage"/, /did you mean triage/],
  ['Nodes', /no command "Nodes"/, /did you mean nodes/],
  ['nods -o json', /no command "nods"/, /did you mean nodes/],
  ['vesion', /no command "vesion"/, /did you mean version/],
  ['explian 79', /no command "explian"/, /did you mean explain/],
  ['analyse kern.log', /no command "analyse"/, /did you mean analyze/],
  ['captur gpu-1', /no command "captur"/, /did you mean capture/],
  ['-n ops toosl', /no command "toosl"/, /did you mean tools/],
  ['--context prod cleen', /no command "cleen"/, /did you mean clean/],
  ['docter gpu-1', /no command "docter"/, /did you mean doctor/],
  ['gpu-1', /"gpu-1" is not a command/, /kubectl gpu-mcp triage gpu-1/],
  ['node/gpu-1', /MCP server for AI clients/, /kubectl gpu-mcp triage node\/gpu-1/],
  ['--simulate lost-gpu', /MCP server for AI clients/, /triage --simulate lost-gpu/],
  ['help triag', /no command "triag"/, /did you mean triage/],
  ['help frobnicate', /no command "frobnicate"/, /there are triage, call/],
  // A word too many is no flag.
  ['nodes gpu-node-3', /unexpected argument "gpu-node-3"/, /kubectl gpu-mcp nodes/],
  ['nodes extra more', /unexpected arguments "extra", "more"$/, /kubectl gpu-mcp nodes/],
  ['nodes foo-bar fooBar', /unexpected arguments "foo-bar", "fooBar"$/, /kubectl gpu-mcp nodes/],
  ['nodes --foo-bar', /there is no flag --foo-bar$/, /kubectl gpu-mcp nodes/],
  ['diff a b c', /unexpected argument "c"$/, /kubectl gpu-mcp diff <before> \[after\]/],
  ['nodes --x x', /no flag --x/, /kubectl gpu-mcp nodes/],
  // Flags.
  ['triage gpu-1 --sinse 3h', /no flag --sinse/, /did you mean --since/],
  ['triage gpu-1 --namespce x', /no flag --namespce/, /did you mean --namespace/],
  ['triage gpu-1 --detials', /no flag --detials/, /did you mean --details/],
  ['triage gpu-1 --colour never', /no flag --colour/, /did you mean --color/],
  ['explain 79 --quite', /no flag --quite/, /did you mean --quiet/],
  ['nodes --frobnicate', /no flag --frobnicate/, /kubectl gpu-mcp nodes/],
  ['capture gpu-1', /--file is missing/, /--file FILE/],
  ['triage gpu-1 --context', /--context has no value/, /--context CONTEXT/],
  ['triage gpu-1 --since', /--since has no value/, /--since SINCE/],
  // Choices and values.
  ['triage gpu-1 -o xml', /--output cannot be "xml"/, /text, json, yaml, markdown, html/],
  ['triage gpu-1 -o jsn', /--output cannot be "jsn"/, /did you mean json/],
  ['triage gpu-1 --color red', /--color cannot be "red"/, /auto, always, never/],
  ['triage gpu-1 --fail-on criticl', /--fail-on cannot be "criticl"/, /did you mean critical/],
  ['manifest foo', /^error: KIND cannot be "foo"$/, /pod, namespace, rbac, policy/],
  ['triage gpu-1 --lifetime jbo', /--lifetime cannot be "jbo"/, /did you mean job/],
  [
    'triage gpu-1 --profile restrictd',
    /--profile cannot be "restrictd"/,
    /did you mean restricted/,
  ],
  [
    'triage gpu-1 --profile ephemeral',
    /"gpu-1" is not a pod, and --profile ephemeral looks at one from within/,
    /without the profile the node can be read/,
  ],
  ['triage job/x --profile ephemeral', /"job\/x" is not a pod/, /their nodes can be read/],
  ['triage pod/a pod/b --profile ephemeral', /looks at one pod/, /name one pod/],
  ['serve --profile ephemeral', /looks at one pod/, /name one pod/],
  [
    'triage --all-gpu-nodes --profile ephemeral',
    /--all-gpu-nodes and --profile ephemeral exclude each other/,
    /name one pod/,
  ],
  ['triage pod/a -c train', /--container is for --profile ephemeral/, /add the profile/],
  [
    'manifest namespace --profile ephemeral',
    /--profile ephemeral has no namespace of its own/,
    /added to a pod of yours/,
  ],
  [
    'manifest pod pod/a --offline --profile ephemeral',
    /--profile ephemeral is printed for a pod that runs/,
    /./,
  ],
  ['doctor pod/a --profile ephemeral', /--profile ephemeral has none/, /manifest pod pod\/NAME/],
  ['triage gpu-1 --no-syslog', /--no-syslog is for --profile restricted/, /add the profile/],
  [
    'triage gpu-1 --profile mounted --runtime-class nvidia',
    /--runtime-class is for --profile restricted/,
    /add the profile/,
  ],
  [
    'triage gpu-1 --profile restricted --driver-root /x',
    /--driver-root and --profile restricted exclude each other/,
    /no folder of the node/,
  ],
  ['triage --local --event', /--event and --local exclude each other/, /leave out one/],
  ['triage --simulate lost-gpu --event', /--event and --simulate exclude/, /leave out one/],
  ['triage gpu-1 --event --watch 10s', /--event and --watch exclude/, /leave out one/],
  ['triage --all-gpu-nodes --event --context a --context b', /a second --context/, /leave out/],
  ['manifest pod gpu-1 --event', /--event is for manifest rbac/, /leave it out/],
  ['triage gpu-1 --since yesterday', /"yesterday" is not a time/, /30m, 24h/],
  ['clean --older-than soon', /"soon" is not a time/, /30m, 24h/],
  ['triage gpu-1 --node-timeout soon', /--node-timeout is wrong/, /triage --help/],
  ['config claud-code', /CLIENT cannot be "claud-code"/, /did you mean claude-code/],
  ['config', /more words/, /kubectl gpu-mcp config/],
  ['config generic --write', /no file of its own/, /--file FILE/],
  ['config cursor --name a.b', /--name is wrong/, /config --help/],
  ['config cursor --env NOT_SET', /NOT_SET of --env is not set/, /./],
  ['completion tcsh', /SHELL cannot be "tcsh"/, /bash, zsh, fish, powershell/],
  ['completion bsh', /SHELL cannot be "bsh"/, /did you mean bash/],
  ['completion', /more words/, /kubectl gpu-mcp completion/],
  // Tools and machines.
  ['call gpu-1 get_gpu_helth', /no tool "get_gpu_helth"/, /did you mean get_gpu_health/],
  ['call gpu-1 triage', /no tool "triage"/, /did you mean triage_gpu_node/],
  ['call --simulate lost-gpu', /no tool|more words/, /./],
  ['triage --simulate lostgpu', /no simulated machine "lostgpu"/, /did you mean lost-gpu/],
  ['triage --simulate dgx-1', /no simulated machine "dgx-1"/, /did you mean dgx-h100/],
  // What a command is about.
  ['triage', /name a node/, /kubectl gpu-mcp nodes/],
  ['triage gpu-1 node/gpu-1', /named twice/, /./],
  ['triage pytorchjb/train', /"pytorchjb\/" is not a kind of target/, /mean pytorchjob\/train\?/],
  ['triage jbo/train', /"jbo\/" is not a kind of target/, /did you mean job\/train/],
  ['triage job/a/b', /not KIND\/NAME/, /./],
  ['capture service/web -f no-such.gz', /"service\/" is not a kind of target/, /name a node/],
  [
    'triage --simulate training-job job/llm-trian',
    /no pod of job\/llm-trian/,
    /mean job\/llm-train/,
  ],
  ['triage --simulate dgx-h100 job/train', /no pod of job\/train/, /holds no pods/],
  ['triage --local gpu-1', /take no node/, /leave out/],
  ['capture gpu-1 gpu-2 -f no-such.gz', /holds one node/, /./],
  ['diff', /more words/, /kubectl gpu-mcp diff/],
  ['explain', /more words/, /kubectl gpu-mcp explain/],
  ['manifest pod', /name the node/, /./],
  ['manifest namespace --offline', /--offline is for manifest pod/, /leave it out/],
  ['manifest pod gpu-1 --kyverno', /--kyverno is for manifest policy/, /leave it out/],
  ['manifest policy --group ops', /--group is for manifest rbac/, /leave it out/],
  ['manifest pod gpu-1 --for-user ann', /--for-user is for manifest rbac/, /leave it out/],
  ['verify-record', /more words/, /kubectl gpu-mcp verify-record/],
  ['verify-record no-such.jsonl', /cannot be read/, /--record/],
  ['doctor gpu-1 gpu-2', /unknown|too many|more words|gpu-2/i, /./],
  ['doctor gpu-1 -o markdown', /--output cannot be "markdown"/, /text, json, yaml/],
  ['doctor gpu-1 --image agent', /neither a tag nor a digest/, /--image/],
];

describe('a wrong command line is a sentence, a hint and exit code 2, and no cluster is asked', () => {
  test('of each kind there are some, forty in all', () => {
    expect(WRONG.length).toBeGreaterThanOrEqual(40);
  });

  test.each(WRONG)('%s', async (line, sentence, hint) => {
    const { code, stdout, stderr } = await run(line.split(' '), NO_CLUSTER);
    const [error = '', tried = ''] = stderr.split('\n');
    expect(error).toMatch(/^error: /);
    expect(error).toMatch(sentence);
    expect(tried).toMatch(/^try: /);
    expect(tried).toMatch(hint);
    expect([code, stdout]).toEqual([2, '']);
    expect(['/nowhere', 'no-such.gz'].filter(existsSync)).toEqual([]);
  });
});

test('on a terminal a node is not served, and a person is told what to type', async () => {
  const { code, stderr } = await run(['gpu-1', '-l', 'a=b c'], { ...NO_CLUSTER, typed: true });
  expect(code).toBe(2);
  expect(stderr).toBe(
    `error: "gpu-1" is not a command; a node is served to AI clients, and none talks on stdin\ntry: for a person: kubectl gpu-mcp triage gpu-1 -l 'a=b c'\n`,
  );
});

test('on a terminal no words at all are the help', async () => {
  expect(await run([], { typed: true })).toEqual(await run(['--help']));
});

test('a client that speaks is served, whatever its node is called', async () => {
  const hello = {
    ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
    params: {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    },
  };
  const input = `${JSON.stringify(hello)}\n`;
  const served = await run(['gpu-1'], { ...NO_CLUSTER, input });
  expect(served.code).toBe(0);
  expect(JSON.parse(served.stdout)).toMatchObject({ id: 1, result: {} });
  expect(await run(['serve', 'gpu-1'], { ...NO_CLUSTER, input })).toEqual(served);
});

test('a kubeconfig that is not there is named', async () => {
  const { code, stderr } = await run(['nodes'], NO_CLUSTER);
  expect(stderr).toContain('error: there is no kubeconfig in /nowhere/config ($KUBECONFIG)\n');
  expect(code).toBe(3);
});

test('version says what everything is, as facts too; --version is the same', async () => {
  const { stdout } = await run(['version', '-o', 'json']);
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ plugin: expect.any(String), agent: expect.any(String), image: expect.any(String) },
    ...{ commit: null, catalogues: { xid: expect.any(String) }, node: process.version },
  });
  expect(await run(['--version'])).toEqual(await run(['version']));
});

test('the help of a command begins with its own flags and ends with the connection', async () => {
  const { stdout } = await run(['triage', '--help']);
  const parts = stdout.match(/^[A-Z][\w' ,]+:$/gm);
  expect(parts).toEqual([
    'Positionals:',
    'Flags:',
    'Which node:',
    'Output:',
    'Debug pod:',
    "Connection, as kubectl's own:",
    'Examples:',
  ]);
  const listed = (await run(['options'])).stdout;
  expect(listed).toContain('--kubeconfig ');
});
