import type { Command } from './command.ts';

/** What every terminal has, and what is read well. */
const COLUMNS = 80;
const COLUMNS_MAX = 100;

export const helpColumns = (columns = COLUMNS): number => Math.min(COLUMNS_MAX, columns);

/** The page of `--help`: what a person types first, each command in a line or two, exit codes. */
export function helpText(
  commands: readonly Pick<Command, 'command' | 'description'>[],
  columns: number,
): string {
  const rows = commands.flatMap(({ command, description }) =>
    description === false || command.startsWith('$0') ? [] : [[command, description] as const],
  );
  return [
    'kubectl gpu-mcp triage NODE: what is wrong with the GPUs of a node, and what to do.',
    'It only reads; nothing is installed, and nothing stays.',
    '',
    ...table('Start here:', STARTS, columns),
    ...table('Commands (each has --help):', rows, columns),
    ...table('What names a node:', TARGETS, columns),
    ...table('Exit codes:', CODES, columns),
    ...table('Environment:', VARIABLES, columns),
    'An AI client starts `kubectl gpu-mcp NODE`: an MCP server on stdin and stdout',
    '(kubectl gpu-mcp serve --help).',
  ].join('\n');
}

type Row = readonly [string, string];

const STARTS: readonly Row[] = [
  ['kubectl gpu-mcp triage NODE', 'one node'],
  ['kubectl gpu-mcp triage -l gpu=h100', 'many nodes, worst first'],
  ['kubectl gpu-mcp triage --simulate lost-gpu', 'a machine made of data, without a cluster'],
  ['kubectl gpu-mcp explain 79', 'what an XID means; no cluster, no node'],
];
const TARGETS: readonly Row[] = [
  ['NODE, node/NAME', 'a node'],
  ['pod/NAME, deployment/NAME', 'the nodes that its pods run on'],
  ['-l SELECTOR', 'nodes by their labels'],
  ['--local', 'this machine'],
  ['--simulate NAME|FILE', 'a simulated machine; --simulate help lists them'],
  ['--from FILE', 'a bundle that capture wrote'],
];
const CODES: readonly Row[] = [
  ['0', 'done'],
  ['1', 'a finding (--fail-on), a changed record (verify-record), or a bug'],
  ['2', 'the command line is wrong'],
  ['3', 'the cluster refused or did not answer'],
  ['4', 'no session on the node'],
  ['5', 'some of several nodes failed'],
  ['130', 'interrupted'],
];
const VARIABLES: readonly Row[] = [
  ['KUBECONFIG', 'as for kubectl'],
  ['GPU_MCP_IMAGE', 'image of the agent'],
  ['NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE', 'colours'],
  ['HTTPS_PROXY, NO_PROXY', 'how the cluster is reached'],
];

/** Two columns of ASCII; the second is wrapped. */
function table(title: string, rows: readonly Row[], columns: number): string[] {
  const width = Math.max(...rows.map(([name]) => name.length)) + 4;
  return [
    title,
    ...rows.map(([name, what]) => `  ${name}`.padEnd(width) + hanging(what, width, columns)),
    '',
  ];
}

function hanging(words: string, indent: number, columns: number): string {
  const lines = [''];
  for (const word of words.split(' ')) {
    const last = lines.at(-1) ?? '';
    const fits = last === '' || indent + last.length + 1 + word.length <= columns;
    if (fits) lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}
