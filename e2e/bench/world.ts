import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BuiltImage, ownPlatform } from '../../images/agent/build-image.ts';
import { AGENT_SNAPSHOT, entrypoint } from '../../images/agent/contents.ts';
import { buildSimulatedLibrary } from '../../test/sim-nvml/build.ts';
import {
  type Cluster,
  type ClusterNode,
  type NodeFile,
  openCluster,
  startCluster,
} from '../cluster/cluster.ts';
import { run } from '../cluster/command.ts';
import { LIBRARY, MACHINE_FILE, machineFile } from '../machines.ts';
import { binFolder, buildProduct, LAUNCHER, PROJECT } from '../prepare.ts';
import { type Environment, succeed } from './program.ts';
import type { Scope } from './scope.ts';

export const NODE = 'node-a';
/** On a busy machine a thousand hollow nodes do not all report in Kubernetes' 50 s: they are not what is measured. */
const NODE_GRACE_SECONDS = 300;
/** A healthy node with eight GPUs: the usual case, and much to read. */
const MACHINE = 'dgx-h100';
/** Not where a driver lies: others may use the same node at the same time. */
export const DRIVER_ROOT = '/usr/share/gpu-mcp-bench';
export const NAMESPACE = 'gpu-mcp-bench';
const SETTLE_LOOK_MS = 200;

export interface Settings {
  /** Uses a cluster that is up already and leaves it as it was. */
  readonly keep: boolean;
  readonly runs: number;
  readonly calls: number;
  readonly logBytes: number;
  /** A release's executable, which S1 and P1 measure in the place of what npm links. */
  readonly executable?: string | undefined;
  /** The program of another build, which S2 runs in turn with this one. */
  readonly before?: string | undefined;
}

/** A cluster whose node-a has the simulated driver (below DRIVER_ROOT) and our image, and a namespace of our own. */
export interface BenchCluster {
  readonly node: ClusterNode;
  /** Our image as the nodes know it. */
  readonly image: string;
  /** With kubectl, the plugin and Node on PATH. */
  readonly environment: Environment;
  /** Starts the agent on node-a as a plain child process of ours, in none of the node's pods. */
  readonly localAgent: readonly string[];
  /** Runs kubectl in the namespace; it must succeed. */
  kubectl(args: readonly string[]): Promise<string>;
  /** Waits until no pod of earlier measurements burdens the node. */
  settle(): Promise<void>;
}

/** What the rows are measured on; each part is made when the first row asks for it. */
export class World {
  readonly settings: Settings;
  readonly scope: Scope;
  readonly folder: string;
  readonly report: (line: string) => void;
  readonly #image: () => Promise<BuiltImage>;
  readonly #rootfs: () => Promise<string>;
  readonly #cluster: () => Promise<BenchCluster>;

  constructor(settings: Settings, scope: Scope, report: (line: string) => void) {
    this.settings = settings;
    this.scope = scope;
    this.report = report;
    this.folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-bench-'));
    scope.defer(() => rmSync(this.folder, { recursive: true, force: true }));
    this.#image = once(() => {
      report('building plugin, agent and image');
      return buildProduct(this.folder);
    });
    this.#rootfs = once(() => this.#writeRootfs());
    this.#cluster = once(() => this.#prepareCluster());
  }

  /** Builds dist/ and the image's archive. */
  image(): Promise<BuiltImage> {
    return this.#image();
  }

  /** The image's files in a folder, and what it starts. */
  async rootfs(): Promise<{ readonly root: string; readonly entrypoint: readonly string[] }> {
    const root = await this.#rootfs();
    return { root, entrypoint: entrypoint(existsSync(join(root, AGENT_SNAPSHOT))) };
  }

  /**
   * How the image starts its agent, but on this machine's root, for a driver that lies here, and by this
   * Node: of a program that was written just now more is in memory.
   */
  async agent(): Promise<readonly string[]> {
    const { root, entrypoint: words } = await this.rootfs();
    const [, ...rest] = words.map(word => (word.startsWith('/') ? join(root, word) : word));
    return [process.execPath, ...rest];
  }

  cluster(): Promise<BenchCluster> {
    return this.#cluster();
  }

  /** The launcher itself, as npm links it, or the executable, with this Node on PATH and nothing of the user's home. */
  async plugin(): Promise<{ argv: readonly string[]; environment: Environment }> {
    const { executable } = this.settings;
    if (executable === undefined) await this.image();
    const path = `${dirname(process.execPath)}:/usr/bin:/bin`;
    return { argv: [executable ?? LAUNCHER], environment: { PATH: path, HOME: this.home() } };
  }

  /** A home folder with caches of its own; a new name is a cold cache. */
  home(name = 'home'): string {
    const home = join(this.folder, name);
    mkdirSync(home, { recursive: true });
    return home;
  }

  async #writeRootfs(): Promise<string> {
    await this.image();
    const root = join(this.folder, 'rootfs');
    this.report('writing the image to a folder');
    const build = join(PROJECT, 'images/agent/build-image.ts');
    const builder = [process.execPath, build, '--platform', ownPlatform(), '--rootfs', root];
    await succeed(this.scope, builder, { environment: { PATH: '/usr/bin:/bin', ...homeOf() } });
    return root;
  }

  async #prepareCluster(): Promise<BenchCluster> {
    const { scope, report, folder } = this;
    const image = await this.image();
    const library = await buildSimulatedLibrary();
    const running = openCluster();
    if (running && !this.settings.keep) throw new Error('a cluster is up: use it with --keep');
    const cluster =
      running ?? (await startCluster({ report, nodeGraceSeconds: NODE_GRACE_SECONDS }));
    if (!running) scope.defer(() => cluster.stop());
    scope.signal.throwIfAborted();
    const node = cluster.nodes.find(({ name }) => name === NODE);
    if (!node) throw new Error(`the cluster has no ${NODE}`);
    const { root, entrypoint: words } = await this.rootfs();
    lendFiles(node, { library, root }, scope);
    await cluster.importImage(image.file);
    const environment = {
      PATH: `${binFolder(folder, cluster.kubectl)}:/usr/bin:/bin`,
      HOME: this.home(),
      KUBECONFIG: cluster.kubeconfig,
      GPU_MCP_IMAGE: image.reference,
    };
    const kubectl = async (args: readonly string[]) =>
      (await succeed(scope, ['kubectl', '-n', NAMESPACE, ...args], { environment })).stdout;
    await lendNamespace(cluster, kubectl, scope);
    const settle = async () => {
      while ((await kubectl(['get', 'pods,jobs', '-o', 'name'])) !== '')
        await sleep(SETTLE_LOOK_MS);
    };
    const localAgent = agentOn(node, words);
    return { node, image: image.reference, environment, localAgent, kubectl, settle };
  }
}

/** Where the image's parts are cached. */
const homeOf = (): Environment =>
  Object.fromEntries(
    ['HOME', 'XDG_CACHE_HOME'].flatMap(name => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/**
 * Puts the driver on the node for as long as the run lasts, beside whatever it has, and what the
 * agent needs to run there without an image.
 */
function lendFiles(node: ClusterNode, lent: Lent, scope: Scope): void {
  const files: Readonly<Record<string, NodeFile>> = {
    [LIBRARY]: { copyOf: lent.library },
    [MACHINE_FILE]: machineFile(MACHINE),
    'usr/bin/node': { copyOf: join(lent.root, 'usr/bin/node') },
    ...Object.fromEntries(
      readdirSync(join(lent.root, 'app'), { recursive: true, withFileTypes: true })
        .filter(entry => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name))
        .map(path => [relative(lent.root, path), { copyOf: path }]),
    ),
  };
  scope.defer(async () => void (await node.exec(['rm', '-rf', DRIVER_ROOT])));
  for (const [path, file] of Object.entries(files)) node.writeFile(join(DRIVER_ROOT, path), file);
}

/** The driver's library, and the image's files. */
interface Lent {
  readonly library: string;
  readonly root: string;
}

/** As the image starts it, flags and all. */
function agentOn({ root }: ClusterNode, words: readonly string[]): readonly string[] {
  const init = /^\/proc\/(\d+)\/root$/.exec(root)?.[1];
  if (init === undefined) throw new Error(`${root} does not tell the node's first process`);
  const inside = ['nsenter', '--target', init, '--mount', '--pid', '--net', '--uts', '--'];
  const agent = words.map(word => (word.startsWith('/') ? join(DRIVER_ROOT, word) : word));
  return [...inside, ...agent, '--driver-root', DRIVER_ROOT];
}

/** Makes a namespace for the run, in which a pod can be made at once. */
async function lendNamespace(
  cluster: Cluster,
  kubectl: BenchCluster['kubectl'],
  scope: Scope,
): Promise<void> {
  const connection = [cluster.kubectl, '--kubeconfig', cluster.kubeconfig];
  scope.defer(
    async () =>
      void (await run([...connection, 'delete', 'namespace', NAMESPACE, '--ignore-not-found'])),
  );
  await kubectl(['create', 'namespace', NAMESPACE]);
  // No pod is admitted before the controller manager has made the account.
  const account = ['get', 'serviceaccount', 'default', '--ignore-not-found', '-o', 'name'];
  while ((await kubectl(account)) === '') await sleep(SETTLE_LOOK_MS);
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
