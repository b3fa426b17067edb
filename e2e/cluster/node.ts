import { mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupProcesses, createCgroup } from './cgroups.ts';
import { run, succeeds, TestClusterError, waitUntil } from './command.ts';
import { endedProcess, SERVER } from './control-plane.ts';
import { writeCertificate, writeKubeconfig } from './kubeconfig.ts';
import { connectNode, podSubnet } from './network.ts';
import { CONTAINERD_SOCKET, type NodeFile, nodeFiles, PARTS_IN_NODE } from './node-config.ts';
import { appendInRoot, writeInRoot } from './node-files.ts';
import { programs } from './parts.ts';
import { type Daemon, daemonOf, startRecorded } from './processes.ts';
import { type ClusterState, foldersOf, type NodeRecord, readState } from './state.ts';

const CTR_SECONDS_MAX = 120;

/** A process of a pod on a node, numbered as this machine numbers it. */
export interface PodProcess {
  pid: number;
  argv: readonly string[];
  podUid: string;
}

/** A node of the test cluster. */
export interface ClusterNode {
  name: string;
  address: string;
  /** The node's root file system, for reading from this process; write with `writeFile`. */
  root: string;
  /** containerd's socket, for `ctr --address`. */
  containerd: string;
  kubelet: Daemon;
  /** The processes in the node's pods now; the sandboxes' own pause processes are left out. */
  podProcesses(): PodProcess[];
  /** Replaces a file of the node, folders included; symbolic links are followed inside the node. */
  writeFile(path: string, file: NodeFile): void;
  /** Appends to a file of the node, as a logger does. */
  appendFile(path: string, text: string): void;
  /** Runs a program in all of the node's namespaces and returns its stdout. */
  exec(argv: readonly string[]): Promise<string>;
  /** Runs `ctr` against the node's containerd, in the kubelet's namespace, and returns its stdout. */
  ctr(argv: readonly string[]): Promise<string>;
}

/** Makes a node's namespaces, cgroup, network and root file system, and starts containerd in it. */
export async function startNode({
  state,
  index,
  files,
}: {
  state: ClusterState;
  index: number;
  files: Readonly<Record<string, NodeFile>>;
}): Promise<void> {
  const record = recordOf(state, index);
  const { name } = record;
  createCgroup(record.cgroup);
  await startInit(state, name);
  await connectNode(record, initOf(name));
  const root = rootOf(name);
  const own = {
    ...nodeFiles(record, podSubnet(index)),
    ...kubeletIdentity(state, record),
    ...files,
  };
  for (const [path, file] of Object.entries(own)) writeInRoot(root, path, file);
  await startInNode({ state, name, daemon: 'containerd', argv: ['containerd/containerd'] });
  await waitUntil({
    what: `containerd on ${name}`,
    ready: () => succeeds(ctrArgv(state, name, ['version'])),
    failed: () => endedProcess([`${name}/containerd`]),
    secondsMax: 30,
    log: logOf(state, name, 'containerd'),
  });
  await ctr(state, name, ['images', 'import', programs(state.partsFolder).pauseImage]);
}

/** Starts a node's kubelet, with which the node joins the cluster. */
export async function startKubelet(state: ClusterState, index: number): Promise<void> {
  const { name, address } = recordOf(state, index);
  const flags = [
    '--config=/etc/kubernetes/kubelet.json',
    '--kubeconfig=/etc/kubernetes/kubelet.kubeconfig',
    `--hostname-override=${name}`,
    `--node-ip=${address}`,
  ];
  const argv = ['kubernetes/kubelet', ...flags];
  await startInNode({ state, name, daemon: 'kubelet', argv });
}

/** The handle on a started node. */
export function nodeOf(state: ClusterState, index: number): ClusterNode {
  const { name, address, cgroup } = recordOf(state, index);
  const root = rootOf(name);
  return {
    name,
    address,
    root,
    containerd: join(root, CONTAINERD_SOCKET),
    kubelet: daemonOf(state.id, `${name}/kubelet`),
    podProcesses: () => podProcesses(cgroup),
    writeFile: (path, file) => writeInRoot(root, path, file),
    appendFile: (path, text) => appendInRoot(root, path, text),
    exec: argv => run([...intoNode(name), ...argv]),
    ctr: argv => ctr(state, name, argv),
  };
}

async function startInit(state: ClusterState, name: string): Promise<void> {
  const folder = join(state.folder, name);
  for (const own of ['layers', 'log/pods', 'log/containers', 'containerd', 'kubelet']) {
    mkdirSync(join(folder, own), { recursive: true });
  }
  const script = join(import.meta.dirname, 'node-root.sh');
  const namespaces = ['--mount', '--pid', '--net', '--uts', '--fork', '--propagation=private'];
  const argv = ['unshare', ...namespaces, 'sh', script, name, folder, state.partsFolder];
  const log = logOf(state, name, 'init');
  const { pid } = await startRecorded({
    id: state.id,
    name: `${name}/init`,
    argv,
    log,
    forked: true,
  });
  await waitUntil({
    what: `The root file system of ${name}`,
    // The last step of the script: it becomes the node's init.
    ready: () => programOf(pid).endsWith('/pause/pause'),
    failed: () => endedProcess([`${name}/init`]),
    secondsMax: 20,
    log,
  });
}

function programOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return '';
  }
}

async function startInNode({
  state,
  name,
  daemon,
  argv: [program = '', ...flags],
}: {
  state: ClusterState;
  name: string;
  daemon: string;
  argv: readonly string[];
}): Promise<void> {
  await startRecorded({
    id: state.id,
    name: `${name}/${daemon}`,
    argv: [...intoNode(name), join(PARTS_IN_NODE, program), ...flags],
    log: logOf(state, name, daemon),
    forked: true,
  });
}

function kubeletIdentity(
  state: ClusterState,
  { name, address }: NodeRecord,
): Record<string, NodeFile> {
  const { pki } = foldersOf(state.folder);
  const id = `kubelet-${name}`;
  const subject = { commonName: `system:node:${name}`, organizations: ['system:nodes'] };
  writeCertificate(pki, id, { ...subject, dnsNames: [name], addresses: [address] });
  const kubeconfig = writeKubeconfig({ folder: pki, name: id, server: SERVER, subject });
  return {
    '/etc/kubernetes/ca.crt': { copyOf: join(pki, 'ca.crt') },
    '/etc/kubernetes/kubelet.crt': { copyOf: join(pki, `${id}.crt`) },
    '/etc/kubernetes/kubelet.key': { copyOf: join(pki, `${id}.key`) },
    '/etc/kubernetes/kubelet.kubeconfig': { copyOf: kubeconfig },
  };
}

// A pod's cgroup is named pod<UID>, its containers' are below it; the sandbox runs only /pause.
function podProcesses(cgroup: string): PodProcess[] {
  return cgroupProcesses(cgroup).flatMap(({ pid, cgroup: path }) => {
    const podUid = /\/pod([0-9a-f-]{36})(\/|$)/.exec(path)?.[1];
    const argv = argvOf(pid);
    const isSandbox = argv.length === 1 && argv[0] === '/pause';
    return podUid === undefined || argv.length === 0 || isSandbox ? [] : [{ pid, argv, podUid }];
  });
}

// A process that has just ended has no arguments.
function argvOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
  } catch {
    return [];
  }
}

function ctr(state: ClusterState, name: string, argv: readonly string[]): Promise<string> {
  return run(ctrArgv(state, name, argv), { secondsMax: CTR_SECONDS_MAX });
}

function ctrArgv(state: ClusterState, name: string, argv: readonly string[]): string[] {
  const socket = join(rootOf(name), CONTAINERD_SOCKET);
  const program = programs(state.partsFolder).ctr;
  return [program, '--address', socket, '--namespace', 'k8s.io', ...argv];
}

function intoNode(name: string): string[] {
  const target = String(initOf(name));
  return ['nsenter', '--target', target, '--mount', '--pid', '--net', '--uts', '--'];
}

function rootOf(name: string): string {
  return `/proc/${initOf(name)}/root`;
}

// The init lives as long as the node, so its number is as good as the node's name.
function initOf(name: string): number {
  const init = readState()?.processes[`${name}/init`];
  if (init) return init.pid;
  throw new TestClusterError(`The node ${name} does not run; start the cluster again.`);
}

function recordOf(state: ClusterState, index: number): NodeRecord {
  const record = state.nodes[index];
  if (record) return record;
  throw new TestClusterError(`The cluster has no node number ${index}.`);
}

function logOf(state: ClusterState, name: string, daemon: string): string {
  return join(foldersOf(state.folder).logs, `${name}-${daemon}.log`);
}
