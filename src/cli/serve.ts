import { readFile, stat } from 'node:fs/promises';
import * as z from 'zod';
import { type BridgeOptions, createBridge, type OwnTool, serveBridge } from '../bridge/bridge.ts';
import { clusterNodes, type NodePool, namedNodes } from '../bridge/node-pool.ts';
import { CONNECTION } from '../cluster/connection-flags.ts';
import type { Cluster } from '../cluster/port.ts';
import { linesOf } from '../contract/answer.ts';
import { UsageError } from '../contract/errors.ts';
import { flag } from '../contract/flag.ts';
import { text, toggle } from '../contract/flag-values.ts';
import { ASKS } from '../contract/labels.ts';
import { NODE_IDLE_MS } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { shellWord } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import { defineCommand, type Invocation } from './command.ts';
import { NODES, POD, TARGET, type TargetFlags } from './flags.ts';
import { type Io, write } from './io.ts';
import { anyNode } from './node-sessions.ts';
import { SUMMARIES } from './summaries.ts';
import {
  endedOf,
  endWords,
  newRecord,
  newRedaction,
  openTargets,
  recordEnd,
  removedWords,
  warnOfLeft,
} from './targets.ts';
import { aborted } from './until-aborted.ts';

/** Which tools are in a set: a model pays for each that it is shown. */
const TOOLSETS: Readonly<Record<string, readonly string[]>> = {
  triage: [
    'list_gpu_nodes',
    ...['triage_job', 'triage_gpu_node', 'analyze_xid_errors', 'explain_xid'],
    ...['explain_failure', 'get_incident_report'],
  ],
  readings: [
    'list_gpu_nodes',
    ...['get_gpu_inventory', 'get_gpu_health', 'get_nvlink_topology', 'sample_gpu_telemetry'],
  ],
  workloads: [
    'list_gpu_nodes',
    ...['describe_gpu_node', 'get_pod_gpu_allocation', 'get_gpu_processes', 'get_gpu_timeline'],
  ],
  repair: ['list_gpu_nodes', 'capture_node', 'compare_snapshots', 'analyze_kernel_log'],
};

/** MCP on stdin and stdout: what an AI client starts. */
export const serve = defineCommand({
  ...SUMMARIES.serve,
  examples: [
    ['$0 triage gpu-node-3', 'the report for a person'],
    ['$0 gpu-node-3', 'what an AI client starts: MCP for one node'],
    ['$0 serve', 'MCP for any node of the cluster, which each call names'],
    ['$0 serve --http 127.0.0.1:7000', 'the same for clients that take a URL and a token'],
  ],
  flags: {
    ...NODES,
    ...CONNECTION,
    ...TARGET,
    ...POD,
    eager: toggle('Start the pod at once, not at the first call'),
    idle: flag(z.coerce.number().min(1).max(86_400), {
      description: 'Of a whole cluster: seconds that a node keeps its pod when nothing is asked',
      default: NODE_IDLE_MS / 1_000,
    }),
    http: text(
      'Over HTTP on 127.0.0.1:PORT (0: a free one) or unix:PATH, for clients that take a URL',
    ),
    httpTokenFile: text(
      'A file of yours with the token of --http; absent: a new one, printed once',
    ),
    allowRemote: toggle('Let --http listen for other machines: over TLS only'),
    tlsCert: text('Certificate of --http, PEM'),
    tlsKey: text('Its key, PEM'),
    confirm: toggle('Ask the client’s user before the first pod on a node'),
    snapshots: text('A folder for what capture_node keeps, and for bundles to compare with'),
    toolsets: text(
      `Only the tools of ${Object.keys(TOOLSETS).join(', ')}: one or several with commas`,
    ),
  },
  ownsStreams: true,
  async run({ args, io, progress }) {
    if (io.stdinIsTerminal && args.http === undefined) throw forClients(args);
    const offers = args.toolsets === undefined ? undefined : offersOf(args.toolsets);
    // Known before anything is opened.
    const door = args.http === undefined ? undefined : await httpDoor(args.http, args);
    const served = isWholeCluster(args)
      ? await wholeCluster({ args, io, progress })
      : await namedTargets({ args, io, progress });
    const { nodes, first, nodeNames } = served;
    const bridge = {
      ...{ nodes, clock: io.clock, confirm: args.confirm ? startedBy(args) : undefined },
      ...optional({ nodeNames, offers }),
      xidCodes: async () => {
        const { allXidEntries } = await import('../xid/catalogue.ts');
        return allXidEntries().map(({ code }) => String(code));
      },
      ownTools: async () => ({
        first: (await first?.()) ?? [],
        last: await ownTools(nodes, { args, io }),
      }),
    };
    if (door) {
      try {
        await overHttp(bridge, door, io);
      } finally {
        await nodes.close();
      }
      return 130;
    }
    const ended = serveBridge({ ...bridge, input: io.stdin, output: io.stdout });
    await Promise.race([ended, aborted(io.signal)]);
    await nodes.close();
    if (io.signal.aborted) {
      progress.tell(`interrupted; ${served.removed()}`);
      return 130;
    }
    // A mistyped command in a script ends here; its exit code must not say that all is well.
    if (!io.stdin.readableDidRead) throw forClients(args);
    return 0;
  },
});

interface Served {
  readonly nodes: NodePool;
  /** Tools that only it has, loaded when they are first asked for. */
  readonly first?: () => Promise<readonly OwnTool[]>;
  readonly nodeNames?: () => Promise<readonly string[]>;
  /** What the end has removed, once it has come. */
  removed(): string;
}

/** @throws UsageError for a set that there is not. */
export function offersOf(words: string): (tool: string) => boolean {
  const named = words.split(',').map(word => word.trim());
  const unknown = named.find(name => !(name in TOOLSETS));
  if (unknown !== undefined) {
    throw new UsageError(
      `there is no toolset "${plainText(unknown, 40)}"`,
      `there are ${Object.keys(TOOLSETS).join(', ')}`,
    );
  }
  return tool => named.some(name => TOOLSETS[name]?.includes(tool));
}

async function ownTools(nodes: NodePool, { args, io }: Pick<Serving, 'args' | 'io'>) {
  const { snapshotTools } = await import('./snapshot-tools.ts');
  // What is replayed cannot be captured again.
  const isReplay = args.from !== undefined;
  return snapshotTools({ nodes, clock: io.clock, folder: args.snapshots, isReplay });
}

type Serving = Invocation<
  TargetFlags & { readonly snapshots?: string | undefined } & {
    readonly eager: boolean;
    readonly idle: number;
  }
>;

async function namedTargets({ args, io, progress }: Serving): Promise<Served> {
  const targets = await openTargets({ args, io, progress });
  if (args.eager) {
    for (const session of targets.sessions) {
      // What fails here is told again, and better, by the first call.
      session.start(io.signal, message => progress.say(message)).catch(() => undefined);
    }
  }
  let removed = '';
  const close = async () => {
    removed = await targets.close();
  };
  return { nodes: namedNodes(targets.sessions, close), removed: () => removed };
}

/** Undefined where nothing is started in a cluster. */
const startedBy = ({ local, simulate, from, profile = 'unmounted' }: Serving['args']) =>
  local || simulate !== undefined || from !== undefined ? undefined : ASKS[profile];

const isWholeCluster = ({ target, selector, local, simulate, from, ...args }: TargetFlags) =>
  target.length === 0 &&
  [selector, simulate, from].every(flag => flag === undefined) &&
  !(local || args.allGpuNodes);

/** Whichever node of the cluster a call names: a pod is started at the first call that needs one. */
async function wholeCluster({ args, io, progress }: Serving): Promise<Served> {
  const redaction = args.redactNames ? await newRedaction() : undefined;
  const record = await newRecord({ args, io });
  const gone: string[] = [];
  let isLeft = false;
  const { cluster, open, disconnect } = anyNode({ args, io, progress, redaction, record });
  const recorded = record && (await import('./record.ts')).recordedSession;
  const nodes = clusterNodes({
    open: node => (record && recorded ? recorded(open(node), record) : open(node)),
    async disconnect() {
      await disconnect();
      if (record) progress.say(recordEnd(args, record));
    },
    check: async (node, signal) => (await cluster()).getNode(node, signal),
    after(ms, run) {
      const over = AbortSignal.timeout(ms);
      over.addEventListener('abort', run, { once: true });
      return () => over.removeEventListener('abort', run);
    },
    idleMs: args.idle * 1_000,
    namesAreTokens: redaction !== undefined,
    closed: async (session, closed) => {
      const ended = endedOf(closed);
      if (ended !== null && io.signal.aborted) gone.push(ended);
      else if (ended !== null) progress.say(endWords([ended], closed.stays));
      isLeft = (await warnOfLeft(closed, session, { args, io, redaction })) || isLeft;
    },
  });
  const jobTool = async () =>
    (await import('./triage-job.ts')).triageJob({
      ...{ cluster, redaction, clock: io.clock, podLogs: args.podLogs !== false },
    });
  const nodeNames = async () => {
    const { gpuNodes } = await import('./nodes.ts');
    const { items } = await gpuNodes(await cluster(), undefined, io.signal);
    return items.map(({ node }) => node);
  };
  return {
    ...{ nodes, nodeNames },
    first: async () => [listGpuNodes(cluster), await jobTool()],
    removed: () => removedWords(gone, { isLeft }),
  };
}

/** More are no list that a model reads: a selector says which. */
const NODES_LISTED_MAX = 200;

export const listGpuNodes = (cluster: () => Promise<Cluster>): OwnTool => ({
  name: 'list_gpu_nodes',
  title: 'GPU nodes',
  description:
    'Lists the nodes with GPUs and what the cluster says of them: ready, GPUs offered, model, cordon, taints. Starts no pod; says nothing of their health.',
  input: z.strictObject({
    selector: z.string().max(512).optional().describe('Label selector; absent: nodes with GPUs.'),
  }),
  async answer({ selector }, { signal }) {
    const { gpuNodes, pageOf } = await import('./nodes.ts');
    const chosen = typeof selector === 'string' ? selector : undefined;
    const { items, all } = await gpuNodes(await cluster(), chosen, signal);
    const listed = items.slice(0, NODES_LISTED_MAX);
    const leftOut = items.length - listed.length;
    const more = leftOut === 0 ? [] : [`${leftOut} nodes left out: choose by a selector`];
    return {
      lines: linesOf([...pageOf(listed, all, false), ...more]),
      structured: { nodes: listed, ...(leftOut > 0 && { nodesLeftOut: leftOut }) },
    };
  },
});

type ServeTargets = Partial<TargetFlags>;

/** A person, or a script, that talks to the server of an AI client. */
function forClients({
  target = [],
  simulate,
  local,
  selector,
  from = [],
}: ServeTargets): UsageError {
  const words = [
    ...target,
    ...(simulate === undefined ? [] : ['--simulate', simulate]),
    ...(local ? ['--local'] : []),
    ...(selector === undefined ? [] : ['-l', selector]),
    ...from.flatMap(file => ['--from', file]),
  ];
  const bare = target.find(word => !word.includes('/'));
  return new UsageError(
    bare === undefined
      ? 'this is the MCP server for AI clients, and none talks to it on stdin'
      : `"${plainText(bare, 63)}" is not a command; a node is served to AI clients, and none talks on stdin`,
    `for a person: kubectl gpu-mcp triage ${words.length > 0 ? words.map(shellWord).join(' ') : 'NODE'}`,
  );
}

interface HttpFlags {
  readonly httpTokenFile?: string | undefined;
  readonly allowRemote: boolean;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
}

/** @throws UsageError for an address, a token or a certificate that is none. */
async function httpDoor(where: string, args: HttpFlags) {
  const { freshToken, httpPlace } = await import('../bridge/http.ts');
  const place = httpPlace(where);
  const { tlsCert, tlsKey, httpTokenFile } = args;
  if (!place.isLoopback && !(args.allowRemote && tlsCert && tlsKey)) {
    throw new UsageError(
      `"${plainText(where, 80)}" can be reached from other machines`,
      'listen on 127.0.0.1, or say --allow-remote --tls-cert FILE --tls-key FILE',
    );
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError('a certificate and its key go together', '--tls-cert FILE --tls-key FILE');
  }
  const tls =
    tlsCert && tlsKey ? { cert: await textIn(tlsCert), key: await textIn(tlsKey) } : undefined;
  const token = httpTokenFile === undefined ? freshToken() : await tokenIn(httpTokenFile);
  return { place, token, isNew: httpTokenFile === undefined, ...optional({ tls }) };
}

/** A token of too few characters can be guessed; a file that others read is no secret. */
async function tokenIn(file: string): Promise<string> {
  const about = await stat(file).catch(() => undefined);
  if (about && (about.mode & 0o077) !== 0) {
    throw new UsageError(`"${plainText(file, 200)}" can be read by others`, 'chmod 600 FILE');
  }
  const token = (await textIn(file)).trim();
  if (/^[\x21-\x7e]{24,512}$/.test(token)) return token;
  throw new UsageError(
    `"${plainText(file, 200)}" holds no token that could be used`,
    'write 24 characters or more on one line, without spaces',
  );
}

async function textIn(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    throw new UsageError(`"${plainText(file, 200)}" cannot be read`);
  }
}

/** Serves until the command is interrupted. */
async function overHttp(
  options: BridgeOptions,
  door: Awaited<ReturnType<typeof httpDoor>>,
  io: Io,
): Promise<void> {
  const { serveHttp } = await import('../bridge/http.ts');
  const { place, token, isNew, tls } = door;
  const server = await serveHttp({
    bridge: createBridge(options),
    ...{ place, token },
    ...optional({ tls }),
  });
  const scheme = tls ? 'https' : 'http';
  const url = place.listen.path ?? `${scheme}://${place.hosts[0]}:${server.port}/mcp`;
  await write(
    io.stderr,
    `MCP over HTTP: ${url}\n${isNew ? `Authorization: Bearer ${token}\n` : ''}`,
  );
  await aborted(io.signal);
  await server.close();
}
