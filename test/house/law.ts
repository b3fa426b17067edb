/** The law of the house as data: who may import whom, and where an exception is allowed and why. */

export interface Room {
  /** Rooms whose files it may import. */
  readonly rooms: readonly string[];
  /** Single files of other rooms it may import. */
  readonly files?: readonly string[];
  /** Rooms, or single files, it may import types from and nothing else. */
  readonly types?: readonly string[];
  /** npm packages, by name; zod may be used by all. */
  readonly packages?: readonly string[];
  /** True where nothing of the machine may be touched: no module of Node's own. */
  readonly pure?: boolean;
  /** The folders inside a room, each with the other folders of the room that it may import. */
  readonly folders?: Readonly<Record<string, readonly string[]>>;
}

const PORTS = ['src/nvml/port.ts', 'src/kernel-log/port.ts', 'src/host/port.ts'];
/** What is read of the driver, as data: each reading stated once. */
const READINGS = ['src/nvml/readings.ts'];
/** What is read of the host, as schemas. */
const HOST_READINGS = [
  'src/host/readings.ts',
  ...['containers', 'driver', 'pci', 'pods', 'processes'].map(
    part => `src/host/readings/${part}.ts`,
  ),
];
const SDK = '@modelcontextprotocol/sdk';
/** Its successor: the server that AI clients see, and nothing else. */
const SERVER_SDK = '@modelcontextprotocol/server';
const READS_A_NODE = ['contract', 'xid', 'kernel-log', 'nvml', 'host', 'findings', 'tools'];

export const LAW: Readonly<Record<string, Room>> = {
  contract: { rooms: [], files: ['package.json'], pure: true },
  // A pasted line is taken out of what it is wrapped in as the log's own reader does.
  xid: { rooms: ['contract'], files: ['src/kernel-log/unwrap.ts'], pure: true },
  // What a container's log says: the log itself goes no further than the room that fetched it.
  'job-log': { rooms: ['contract', 'xid'], pure: true },
  // What of a node may be read through the root of another process, and where it lies.
  'node-root': { rooms: [] },
  'kernel-log': { rooms: ['contract', 'node-root'], packages: ['koffi', 'xz-decompress'] },
  nvml: {
    rooms: ['contract', 'node-root'],
    packages: ['koffi'],
    // What nvml.h says; how the library is called; what there is to read, and how; the process that asks.
    folders: {
      table: [],
      library: ['table'],
      readings: ['table'],
      reader: ['table', 'readings'],
      child: ['table', 'library', 'reader'],
    },
  },
  host: {
    rooms: ['contract', 'node-root'],
    packages: ['koffi'],
    // What is read, as schemas; the readers stand beside.
    folders: { readings: [] },
  },
  findings: {
    rooms: ['contract', 'xid'],
    files: READINGS,
    types: PORTS,
    pure: true,
    folders: { rules: ['support'], support: [] },
  },
  tools: {
    rooms: ['contract', 'xid', 'findings'],
    files: READINGS,
    types: PORTS,
    folders: { catalog: ['support'], support: [] },
  },
  // Machines as data: what the fakes of the tests and `--simulate` have in common. A machine stands in
  // for the library below our caller, so that everything above it is the real thing.
  simulation: {
    rooms: ['contract', 'job-log'],
    files: [
      ...READINGS,
      ...HOST_READINGS,
      'src/nvml/table/calls.ts',
      'src/nvml/table/enums.ts',
      'src/nvml/table/field-ids.ts',
      'src/nvml/table/functions.ts',
      'src/nvml/table/shapes.ts',
    ],
    types: PORTS,
  },
  // A node at one moment as a file: what is read of it passes the same gates as what a node says.
  bundle: {
    rooms: ['contract', 'xid'],
    files: [...READINGS, ...HOST_READINGS, 'src/kernel-log/source.ts'],
    types: [...PORTS, 'src/tools/instruments.ts'],
  },
  // Names as tokens, for both halves: the same name has the same token in each.
  redaction: { rooms: ['contract'], files: [...READINGS, ...HOST_READINGS], types: PORTS },
  // The protocol as both halves speak it: lines, transports, tools in and out of a server.
  mcp: { rooms: ['contract'], packages: [SDK] },
  agent: {
    rooms: [...READS_A_NODE, 'bundle', 'simulation', 'redaction', 'mcp'],
    packages: [SDK],
  },
  // A kubeconfig is YAML.
  cluster: {
    rooms: ['contract', 'job-log'],
    packages: ['@kubernetes/client-node', 'ws', 'js-yaml'],
  },
  session: { rooms: ['contract', 'mcp'], files: ['src/cluster/port.ts'], packages: [SDK] },
  // Whether a session would start, without one: what is asked, and what it means.
  doctor: {
    rooms: ['contract', 'session'],
    files: ['src/cluster/port.ts', 'src/cluster/proven.ts'],
    types: ['src/cluster/survey.ts'],
  },
  bridge: {
    rooms: ['contract', 'tools', 'session', 'redaction', 'mcp'],
    files: ['src/cluster/port.ts'],
    packages: [SERVER_SDK],
  },
  // A page is made of a tool's facts. -o yaml is YAML too.
  report: {
    rooms: ['contract', 'tools'],
    packages: ['js-yaml', 'fast-string-width', 'fast-wrap-ansi'],
  },
  cli: {
    rooms: [
      ...['contract', 'xid', 'kernel-log', 'findings', 'tools'],
      ...['bundle', 'cluster', 'session', 'doctor', 'bridge', 'report', 'mcp', 'simulation'],
    ],
    // Settings of AI clients are JSON with comments, TOML or YAML.
    packages: ['yargs', 'fast-string-width', 'jsonc-parser', 'smol-toml', 'js-yaml'],
  },
};

/** Packages that single files may import although their room may not import them everywhere. */
export const PACKAGE_FILES: Readonly<Record<string, RegExp>> = {
  // Only the syslog(2) reader calls into the C library.
  'koffi in kernel-log': /^src\/kernel-log\/syslog[^/]*\.ts$/,
  // Only adjtimex(2) tells whether the clock is kept: no file of proc or sysfs does.
  'koffi in host': /^src\/host\/kernel-clock\.ts$/,
};

/** The files that Node is started with. */
export const ENTRIES = ['src/agent/main.ts', 'src/agent/nvml-main.ts', 'src/cli/main.ts'];

/** What must not be loaded, by any chain of imports, on the way from a place. */
export const NEVER_REACHED: readonly { from: RegExp; packages: readonly string[] }[] = [
  { from: /^src\/agent\//, packages: ['@kubernetes/client-node', 'ws', 'yargs', SERVER_SDK] },
  { from: /^src\/(bridge|bundle|cli|session|cluster|report)\//, packages: ['koffi'] },
  {
    from: /^src\/(contract|xid|findings|tools)\//,
    packages: ['koffi', SDK, SERVER_SDK, 'ws', 'yargs'],
  },
];

/** Files that may use what the rule forbids, each with its reason. Paths from the project's root. */
export interface Exception {
  readonly file: RegExp;
  readonly why: string;
}

export const EXCEPTIONS: Readonly<
  Record<'process' | 'clock' | 'cast' | 'time', readonly Exception[]>
> = {
  process: [
    {
      file: /^src\/(?:(?:agent|cli)\/main|agent\/nvml-main)\.ts$/,
      why: 'entry files: argv, environment, streams, exit',
    },
    {
      file: /^src\/agent\/snapshot\.ts$/,
      why: 'an adapter: what tells of this process is taken out of the heap that becomes a file',
    },
    {
      file: /^src\/session\/(link|reaper)\.ts$/,
      why: 'adapters: the agent and the reaper run on the Node that runs us',
    },
    {
      file: /^src\/cluster\/credentials\.ts$/,
      why: 'an adapter: credential plugins get the user’s environment and speak on stderr',
    },
  ],
  clock: [
    { file: /^src\/(agent|cli)\/main\.ts$/, why: 'entry files hand the clock to everybody else' },
  ],
  time: [
    {
      file: /^src\/(?:kernel-log\/(?:journal|merger|node-log|stamps)|xid\/analysis)\.ts$/,
      why: 'how exact a time in a log is: nothing waits for it',
    },
    {
      file: /^src\/tools\/(?:.+\/)?(?:describe-gpu-node|failure-join|pods-of-events|searched)\.ts$/,
      why: 'how far back an answer looks, and what belongs together',
    },
    {
      file: /^src\/(?:agent\/capture-node|cluster\/connection-flags|cli\/flags|bridge\/ask-each|simulation\/kernel-log)\.ts$/,
      why: 'a day of pods, units of flags, the grain of two clocks: nothing waits for these',
    },
  ],
  cast: [
    {
      file: /^src\/nvml\/table\/calls\.ts$/,
      why: 'one cast: the table’s word is taken for the type of what a row gives',
    },
  ],
};

/** What stands at the top of the project: what tools and readers need, and nothing else. */
export const TOP_LEVEL = new Set([
  ...['.ci', '.github', '.gitignore', '.dockerignore', '.npmrc'],
  ...['AGENTS.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md'],
  ...['biome.json', 'package.json', 'package-lock.json', 'tsconfig.json'],
  ...['vitest.config.ts', 'vitest.e2e.config.ts'],
  ...['docs', 'e2e', 'images', 'kubectl-plugin', 'src', 'test'],
]);
