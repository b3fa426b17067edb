import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Check, type CheckId, DoctorReport } from '../../src/contract/doctor.ts';
import { DEFAULT_IMAGE } from '../../src/contract/version.ts';
import { type Ran, run } from '../cli/run.ts';
import {
  type Answer,
  asJson,
  FakeApiServer,
  type Json,
  type SeenRequest,
  status,
} from '../cluster/fake-api-server.ts';

export const NOW_MS = Date.parse('2026-11-27T12:00:00Z');
export const IMAGE = DEFAULT_IMAGE;

/** A cluster in which a session on node-a starts, as data; a test changes one thing of it. */
export interface World {
  version: string;
  user: string;
  /** Verbs on resources that are refused: `create pods/attach`. */
  denied: readonly string[];
  labels: Json;
  quotas: readonly Json[];
  limitRanges: readonly Json[];
  node: Json;
  lease: Json;
  pods: readonly Json[];
  /** First word on every request. */
  answer: (request: SeenRequest) => Answer | 'silence' | undefined;
  /** Of the API server's clock. */
  nowMs: number | undefined;
  /** Of what a dry run makes. */
  mutate: (object: Json) => Json;
}

const condition = (type: string, state = 'False') => ({ type, status: state });
export const CONDITIONS = [
  condition('Ready', 'True'),
  ...['MemoryPressure', 'DiskPressure', 'PIDPressure'].map(type => condition(type)),
];

export const nodeInfo = {
  ...{ osImage: 'Ubuntu 24.04', operatingSystem: 'linux', architecture: 'amd64' },
  ...{ kubeletVersion: 'v1.37.2', containerRuntimeVersion: 'containerd://2.3.7' },
};

export const nodeStatus: Json = {
  conditions: CONDITIONS,
  nodeInfo,
  allocatable: { cpu: '4', memory: '16Gi', pods: '3' },
  images: [{ names: [IMAGE] }],
};

/** A session of somebody's on node-a. */
export const session = (user: string, more: Json = {}): Json => ({
  metadata: {
    ...{
      namespace: 'gpu-mcp',
      name: 'gpu-mcp-node-a-1',
      creationTimestamp: '2026-11-27T11:50:00Z',
    },
    labels: { 'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp' },
    annotations: { 'gpu-mcp/user': user },
  },
  spec: {
    nodeName: 'node-a',
    containers: [{ name: 'mcp', resources: { requests: { cpu: '10m', memory: '64Mi' } } }],
  },
  status: {
    phase: 'Running',
    containerStatuses: [{ name: 'mcp', image: IMAGE, state: { running: {} } }],
  },
  ...more,
});

export const well = (): World => ({
  version: 'v1.37.2',
  user: 'alice@example.com',
  denied: [],
  labels: { 'pod-security.kubernetes.io/enforce': 'privileged' },
  quotas: [],
  limitRanges: [],
  node: { metadata: { name: 'node-a', labels: {} }, spec: {}, status: nodeStatus },
  lease: {
    metadata: { name: 'node-a', managedFields: [{ time: '2026-11-27T11:59:58Z' }] },
    spec: { leaseDurationSeconds: 40, renewTime: '2026-11-27T11:59:58.431000Z' },
  },
  pods: [session('bob@example.com')],
  answer: () => undefined,
  nowMs: NOW_MS,
  mutate: object => object,
});

export interface Examined extends Ran {
  readonly report: DoctorReport;
  /** The checks of that name. */
  of(id: CheckId): readonly Check[];
  /** `failed`, where there is one of that name. */
  state(id: CheckId): string;
}

/** A machine with kubectl and the plugin on PATH, and a cluster of data. */
export class DoctorWorld implements AsyncDisposable {
  readonly api: FakeApiServer;
  readonly world: World = well();
  readonly folder: string;

  private constructor(api: FakeApiServer, folder: string) {
    this.api = api;
    this.folder = folder;
    api.answer = request => this.#answer(request);
  }

  static async open(): Promise<DoctorWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'doctor-'));
    const version = JSON.stringify({ clientVersion: { gitVersion: 'v1.37.2' } });
    for (const name of ['kubectl', 'kubectl-gpu_mcp']) {
      await writeFile(join(folder, name), `#!/bin/sh\necho '${version}'\n`);
      await chmod(join(folder, name), 0o755);
    }
    return new DoctorWorld(await FakeApiServer.start(), folder);
  }

  /** The command line, as JSON; whatever it finds, it must have created nothing. */
  async examine(
    words: readonly string[] = ['node-a'],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Examined> {
    const ran = await this.run([...words, '-o', 'json'], environment);
    const report = DoctorReport.parse(JSON.parse(ran.stdout));
    const of = (id: CheckId) => report.checks.filter(check => check.id === id);
    return { ...ran, report, of, state: id => of(id)[0]?.state ?? 'none' };
  }

  /** The same with nothing but this folder on PATH. */
  examineOn = (folder: string) => this.examine(['node-a'], { PATH: folder });

  async run(words: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const { api, folder } = this;
    api.nowMs = this.world.nowMs;
    const hasOwn = words.some(word => word.startsWith('--kubeconfig'));
    const kubeconfig = await api.kubeconfig();
    const access = hasOwn ? [] : [`--kubeconfig=${kubeconfig}`];
    const ran = await run(['doctor', ...words, ...access], {
      nowMs: NOW_MS,
      environment: { PATH: `${folder}:/usr/bin:/bin`, ...environment },
    });
    expectNothingMade(api);
    const names = [
      [kubeconfig, 'KUBECONFIG'],
      [folder, 'BIN'],
      [api.url, 'http://SERVER'],
    ] as const;
    const stdout = names.reduce((text, [name, word]) => text.replaceAll(name, word), ran.stdout);
    return { ...ran, stdout };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }

  #answer(request: SeenRequest): Answer | 'silence' | undefined {
    const { world } = this;
    const own = world.answer(request);
    if (own) return own;
    const { path, method } = request;
    if (path === '/version') return ok({ gitVersion: world.version });
    if (path.endsWith('/selfsubjectreviews')) {
      return ok({ kind: 'SelfSubjectReview', status: { userInfo: { username: world.user } } }, 201);
    }
    if (path.endsWith('/selfsubjectaccessreviews')) return this.#review(request);
    if (method === 'POST') {
      const kind = path.endsWith('/jobs') ? 'Job' : 'Pod';
      return ok(world.mutate({ kind, ...request.body }), 201);
    }
    const list = (kind: string, items: readonly Json[]) => ok({ kind, metadata: {}, items });
    if (path.endsWith('/resourcequotas')) return list('ResourceQuotaList', world.quotas);
    if (path.endsWith('/limitranges')) return list('LimitRangeList', world.limitRanges);
    if (path.endsWith('/leases/node-a')) return ok({ kind: 'Lease', ...world.lease });
    if (path === '/api/v1/nodes/node-a') return ok({ kind: 'Node', ...world.node });
    if (path === '/api/v1/nodes') return list('NodeList', [world.node]);
    // An upgrade is the fake's own.
    if (path.endsWith('/pods') && !request.headers.upgrade) return list('PodList', world.pods);
    if (path === '/api/v1/namespaces/gpu-mcp') {
      return ok({ kind: 'Namespace', metadata: { name: 'gpu-mcp', labels: world.labels } });
    }
    return undefined;
  }

  #review({ body }: SeenRequest): Answer {
    const attributes = asJson(asJson(body['spec'])['resourceAttributes']);
    const { verb, resource, subresource } = attributes;
    const name = `${verb} ${resource}${subresource ? `/${subresource}` : ''}`;
    const allowed = !this.world.denied.includes(name);
    return ok({ kind: 'SelfSubjectAccessReview', ...body, status: { allowed } }, 201);
  }
}

export const ok = (body: unknown, code = 200): Answer => ({ code, body });

/** What a role that is missing is answered with. */
export const denied = (words: string): Answer => status(403, 'Forbidden', words);

function expectNothingMade(api: FakeApiServer): void {
  const reviews = /\/selfsubject(?:access)?reviews$/;
  const writes = api.requests.filter(({ method, path }) => method !== 'GET' && !reviews.test(path));
  const wet = writes.filter(
    ({ method, query }) => method !== 'POST' || query.get('dryRun') !== 'All',
  );
  expect(wet).toEqual([]);
}
