import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ociArchive } from '../../images/agent/oci.ts';
import type { CheckId } from '../../src/contract/doctor.ts';
import { DOCTOR_ANSWER_MS_MAX } from '../../src/contract/limits.ts';
import type { Json, SeenRequest } from '../cluster/fake-api-server.ts';
import { status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { images } from '../session/small-agent.ts';
import {
  CONDITIONS,
  DoctorWorld,
  denied,
  IMAGE,
  nodeInfo,
  nodeStatus,
  session,
  type World,
} from './world.ts';

let doctor: DoctorWorld;
beforeEach(async () => {
  doctor = await DoctorWorld.open();
});
afterEach(() => doctor[Symbol.asyncDispose]());

type Change = Partial<World>;
/** What is changed, the words of the command line, and the check that must name it. */
type Case = readonly [
  what: string,
  id: CheckId,
  state: 'failed' | 'unknown' | 'warning' | 'ok',
  message: RegExp,
  change: Change,
  words?: readonly string[],
];

const onNode = (status: Json, spec: Json = {}): Change => ({
  node: { metadata: { name: 'node-a' }, spec, status: { ...nodeStatus, ...status } },
});
const info = (more: Json): Change => onNode({ nodeInfo: { ...nodeInfo, ...more } });
const pressure = (type: string, state: string): Change =>
  onNode({
    conditions: CONDITIONS.map(one => (one.type === type ? { type, status: state } : one)),
  });
const isDry = ({ method, path }: SeenRequest, resource: string) =>
  method === 'POST' && path.endsWith(`/${resource}`);
const refusing = (resource: string, words: string, code = 403): Change => ({
  answer: request =>
    isDry(request, resource) ? status(code, code === 403 ? 'Forbidden' : 'X', words) : undefined,
});
const refused = (words: string) => refusing('pods', `pods "p" is forbidden: ${words}`);
const at = (path: RegExp, code: number, reason: string, words: string): Change => ({
  answer: request => (path.test(request.path) ? status(code, reason, words) : undefined),
});
const noRight = (path: RegExp, verb: string, resource: string): Change => ({
  answer: request =>
    path.test(request.path)
      ? denied(`x is forbidden: User "alice" cannot ${verb} resource "${resource}" in API group ""`)
      : undefined,
});
/** What never answers, and whose time is over as soon as it was asked. */
const silent = (isAsked: (request: SeenRequest) => boolean): Change => ({
  answer: request => {
    if (!isAsked(request)) return undefined;
    void pass(DOCTOR_ANSWER_MS_MAX);
    return 'silence';
  },
});
const lease = (time: string, renewTime: string): Change => ({
  lease: {
    metadata: { name: 'node-a', managedFields: [{ time }] },
    spec: { leaseDurationSeconds: 40, renewTime },
  },
});
const RESTRICTED = ['node-a', '--profile=restricted', '--no-syslog'];
const PSA = 'violates PodSecurity "restricted:latest": privileged (container "mcp" must not)';
const QUOTA = 'exceeded quota: compute, requested: pods=1, used: pods=3, limited: pods=3';
const RANGE = 'maximum cpu usage per Container is 500m, but limit is 2';
const LABEL = 'pod-security.kubernetes.io/enforce';

const CASES: readonly Case[] = [
  // Who asks.
  [
    'a token that is refused',
    'credentials',
    'failed',
    /does not accept/,
    {
      answer: () => status(401, 'Unauthorized', 'Unauthorized'),
    },
  ],
  ['nobody', 'credentials', 'failed', /system:anonymous/, { user: 'system:anonymous' }],
  [
    'no word of who I am',
    'credentials',
    'unknown',
    /not known/,
    at(/selfsubjectreviews/, 404, 'NotFound', 'the server could not find it'),
  ],
  ['impersonation', 'credentials', 'ok', /impersonating "bob"/, {}, ['node-a', '--as', 'bob']],
  // The API server.
  ['an old one', 'attach', 'warning', /older than 1\.30.*kubectl attaches/, { version: 'v1.29.4' }],
  [
    'no version',
    'api-server',
    'unknown',
    /not with its version/,
    at(/^\/version/, 403, 'Forbidden', 'no'),
  ],
  [
    'no check of its certificate',
    'api-server',
    'warning',
    /certificate is not checked/,
    {},
    ['node-a', '--insecure-skip-tls-verify'],
  ],
  [
    'a slow clock here',
    'clock',
    'warning',
    /this machine is 1 min 10 s behind/,
    { nowMs: Date.parse('2026-11-27T12:01:10Z') },
  ],
  [
    'a fast clock here',
    'clock',
    'warning',
    /this machine is 1 h 00 min ahead of/,
    { nowMs: Date.parse('2026-11-27T11:00:00Z') },
  ],
  ['no date', 'clock', 'unknown', /no answer .* had a date/, { nowMs: undefined }],
  ['no date', 'kubelet', 'unknown', /a clock that is not known/, { nowMs: undefined }],
  // The namespace.
  [
    'its absence',
    'namespace',
    'failed',
    /"gpu-mcp" is not there/,
    at(/namespaces\/gpu-mcp/, 404, 'NotFound', 'namespaces "gpu-mcp" not found'),
  ],
  [
    'no right to look at it, and a dry run',
    'namespace',
    'ok',
    /by a dry run/,
    noRight(/namespaces\/gpu-mcp$/, 'get', 'namespaces'),
  ],
  ['Pod Security', 'pod-security', 'failed', /restricted:latest refuses the pod/, refused(PSA)],
  [
    'Pod Security by the label',
    'pod-security',
    'failed',
    /enforces "baseline"/,
    {
      ...noRight(/\/pods$/, 'create', 'pods'),
      labels: { [LABEL]: 'baseline' },
    },
  ],
  [
    'no label and no dry run',
    'pod-security',
    'unknown',
    /may not create pods/,
    {
      ...noRight(/\/pods$/, 'create', 'pods'),
      labels: {},
    },
  ],
  [
    'Pod Security and CAP_SYSLOG',
    'pod-security',
    'failed',
    /must not include "SYSLOG"/,
    refused(
      'violates PodSecurity "baseline:latest": x (container "mcp" must not include "SYSLOG")',
    ),
    ['node-a', '--profile=restricted'],
  ],
  ['a restricted pod', 'pod-security', 'ok', /restricted pods are let in/, {}, RESTRICTED],
  ['a pod without privileges', 'admission', 'ok', /let through, unchanged/, {}, RESTRICTED],
  [
    'a label, which says nothing of a restricted pod',
    'pod-security',
    'unknown',
    /may not create pods/,
    { ...noRight(/\/pods$/, 'create', 'pods'), labels: { [LABEL]: 'baseline' } },
    RESTRICTED,
  ],
  ['what comes before the refusal', 'limit-range', 'ok', /got past it/, refused(PSA)],
  [
    'what comes behind the refusal',
    'quota',
    'unknown',
    /ended before that, at Pod Security/,
    refused(PSA),
  ],
  ['a quota', 'quota', 'failed', /quota is exceeded: compute/, refused(QUOTA)],
  [
    'a quota of Jobs',
    'quota',
    'failed',
    /count\/jobs/,
    refusing('jobs', 'jobs "j" is forbidden: exceeded quota: q, requested: count/jobs.batch=1'),
  ],
  ['a quota, the last of all', 'admission', 'ok', /ended at the quota/, refused(QUOTA)],
  [
    'a quota with room',
    'quota',
    'ok',
    /there is room in "q" \(pods 1\/3\)/,
    {
      quotas: [{ metadata: { name: 'q' }, status: { hard: { pods: '3' }, used: { pods: '1' } } }],
    },
  ],
  [
    'quotas that may not be read',
    'quota',
    'ok',
    /by a dry run/,
    noRight(/resourcequotas/, 'list', 'resourcequotas'),
  ],
  [
    'a limit range',
    'limit-range',
    'failed',
    /LimitRange refuses the pod: maximum cpu/,
    refused(`[${RANGE}]`),
  ],
  [
    'a limit range that the pod is within',
    'limit-range',
    'ok',
    /within "l"/,
    { limitRanges: [{ metadata: { name: 'l' } }] },
  ],
  [
    'a policy',
    'admission',
    'failed',
    /policy "p" refuses the pod: no/,
    refused("ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"),
  ],
  [
    'a webhook',
    'admission',
    'failed',
    /webhook "w" refuses/,
    refused('admission webhook "w" denied the request: no'),
  ],
  [
    'a webhook before all others',
    'pod-security',
    'unknown',
    /ended before that, at a webhook/,
    refused('admission webhook "w" denied the request: no'),
  ],
  [
    'a webhook that is away',
    'admission',
    'failed',
    /failed calling webhook/,
    refusing('pods', 'Internal error occurred: failed calling webhook "w"', 500),
  ],
  [
    'a webhook without dry runs',
    'admission',
    'unknown',
    /does not support dry run/,
    refusing('pods', 'admission webhook "w" does not support dry run', 400),
  ],
  [
    'a service account that is not there',
    'admission',
    'failed',
    /service account/,
    refused('error looking up service account gpu-mcp/x'),
  ],
  [
    'a sidecar',
    'admission',
    'warning',
    /it gets istio-proxy beside/,
    {
      mutate: object => withContainer(object, { name: 'istio-proxy' }),
    },
  ],
  [
    'another image',
    'admission',
    'warning',
    /its image is mirror\/x/,
    {
      mutate: object => changed(object, { image: 'mirror/x' }),
    },
  ],
  [
    'a Job that is held back',
    'admission',
    'warning',
    /holds Jobs back .* started without one/,
    { mutate: held },
  ],
  [
    'a Job that is held back, and no other way',
    'admission',
    'failed',
    /holds Jobs back/,
    { mutate: held },
    ['node-a', '--lifetime=job'],
  ],
  [
    'another image in the pod of a Job',
    'admission',
    'warning',
    /its image is mirror\/y/,
    {
      mutate: object =>
        object['kind'] === 'Job' ? changed(object, { image: 'mirror/y' }) : object,
    },
  ],
  [
    'no sight of the processes',
    'admission',
    'warning',
    /hostPID/,
    { mutate: object => withSpec(object, { ...specOf(object), hostPID: false }) },
  ],
  [
    'no privilege',
    'admission',
    'warning',
    /not privileged/,
    {
      mutate: object => changed(object, { securityContext: {} }),
    },
  ],
  // The node.
  ['one that is not ready', 'node', 'failed', /is not ready since/, pressure('Ready', 'False')],
  ['one that is silent', 'node', 'failed', /does not report/, pressure('Ready', 'Unknown')],
  ['one that does not say', 'node', 'unknown', /whether it is ready/, onNode({ conditions: [] })],
  ['Windows', 'node', 'failed', /runs Windows/, info({ operatingSystem: 'windows' })],
  [
    'a virtual one',
    'node',
    'failed',
    /virtual/,
    {
      node: {
        metadata: { name: 'node-a', labels: { type: 'virtual-kubelet' } },
        status: nodeStatus,
      },
    },
  ],
  [
    'no right to it',
    'node',
    'unknown',
    /may not get nodes/,
    noRight(/nodes\/node-a/, 'get', 'nodes'),
  ],
  ['its absence', 'node', 'failed', /"node-c" was not found/, {}, ['node-c']],
  [
    'a dead kubelet',
    'kubelet',
    'failed',
    /not reported for 60 s/,
    lease('2026-11-27T11:59:00Z', '2026-11-27T11:59:00Z'),
  ],
  [
    'no lease',
    'kubelet',
    'unknown',
    /no lease/,
    at(/leases/, 404, 'NotFound', 'leases "node-a" not found'),
  ],
  [
    'a cordon and a taint',
    'taints',
    'ok',
    /cordoned, gpu:NoExecute: .* tolerates all/,
    onNode({}, { unschedulable: true, taints: [{ key: 'gpu', effect: 'NoExecute' }] }),
  ],
  [
    'a full disk',
    'pressure',
    'failed',
    /DiskPressure: the kubelet refuses/,
    pressure('DiskPressure', 'True'),
  ],
  ['too many processes', 'pressure', 'failed', /PIDPressure/, pressure('PIDPressure', 'True')],
  ['little memory', 'pressure', 'warning', /may evict/, pressure('MemoryPressure', 'True')],
  [
    'pressure that is not known',
    'pressure',
    'unknown',
    /does not report/,
    pressure('DiskPressure', 'Unknown'),
  ],
  [
    'no room for a pod',
    'room',
    'failed',
    /3 of 3 pods/,
    { pods: ['a', 'b', 'c'].map(user => session(user)) },
  ],
  [
    'pods of another node',
    'room',
    'ok',
    /0 of 3 pods/,
    { pods: ['a', 'b', 'c'].map(user => session(user, { spec: { nodeName: 'node-b' } })) },
  ],
  [
    'pods that have ended',
    'room',
    'ok',
    /0 of 3 pods/,
    {
      pods: ['a', 'b', 'c'].map(user => session(user, { status: { phase: 'Succeeded' } })),
    },
  ],
  [
    'no CPU',
    'room',
    'failed',
    /cpu 4 is all asked for, and the pod wants 10m/,
    {
      pods: [asking({ cpu: '3995m', memory: '1Gi' })],
    },
  ],
  [
    'no memory',
    'room',
    'failed',
    /memory 16Gi/,
    { pods: [asking({ cpu: '1', memory: '16000Mi' }), asking({ memory: '380Mi' })] },
  ],
  [
    'no CPU beside an init container and an overhead',
    'room',
    'failed',
    /cpu 4 is all asked for/,
    {
      pods: [
        session('bob', {
          spec: {
            nodeName: 'node-a',
            overhead: { cpu: '995m' },
            containers: [{ name: 'x' }],
            initContainers: [{ name: 'i', resources: { requests: { cpu: '2' } } }],
          },
        }),
        session('eve', {
          spec: {
            nodeName: 'node-a',
            containers: [{ name: 'x', resources: { requests: { cpu: '996m' } } }],
          },
        }),
      ],
    },
  ],
  [
    'a quantity that is none',
    'room',
    'unknown',
    /how much cpu/,
    { pods: [asking({ cpu: 'many' })] },
  ],
  [
    'pods that may not be listed',
    'room',
    'unknown',
    /may not list pods/,
    {
      answer: ({ path }) =>
        path === '/api/v1/pods'
          ? denied(
              'pods is forbidden: User "alice" cannot list resource "pods" in API group "" at the cluster scope',
            )
          : undefined,
    },
  ],
  [
    'an architecture that is not built',
    'system',
    'failed',
    /linux\/ppc64le/,
    info({ architecture: 'ppc64le' }),
  ],
  ['no architecture', 'system', 'unknown', /does not say/, info({ architecture: '' })],
  [
    'an unknown runtime',
    'runtime',
    'unknown',
    /nobody has tried/,
    info({ containerRuntimeVersion: 'x://1' }),
  ],
  ['no runtime', 'runtime', 'unknown', /does not say/, info({ containerRuntimeVersion: '' })],
  [
    'no image',
    'image',
    'unknown',
    /does not report .*: it is pulled from localhost/,
    { ...onNode({ images: [] }), pods: [] },
  ],
  [
    'many images',
    'image',
    'unknown',
    /not among the 50/,
    { ...onNode({ images: Array.from({ length: 50 }, () => ({ names: ['x:1'] })) }), pods: [] },
  ],
  ['latest', 'image', 'unknown', /pulled anew/, {}, ['node-a', '--image', 'ghcr.io/x:latest']],
  [
    'an image of Docker Hub',
    'image',
    'ok',
    /x:1 is on the node/,
    onNode({ images: [{ names: ['docker.io/library/x:1'] }] }),
    ['node-a', '--image', 'x:1'],
  ],
  [
    'an image for another machine',
    'image-platform',
    'warning',
    /named after arm64/,
    {},
    ['node-a', '--image', 'ghcr.io/a/gpu-mcp:1-arm64'],
  ],
  [
    'an image that runs nowhere',
    'image-platform',
    'unknown',
    /only its registry tells/,
    { pods: [] },
  ],
  ['a session of nobody', 'sessions', 'ok', /nobody has one/, { pods: [] }],
  ['a session of mine', 'sessions', 'ok', /^you since/, { pods: [session('alice@example.com')] }],
  [
    'a node that is ahead',
    'node-clock',
    'warning',
    /the node is 3 min 00 s ahead of/,
    lease('2026-11-27T11:59:58Z', '2026-11-27T12:02:58.2Z'),
  ],
  [
    'a node that is behind',
    'node-clock',
    'warning',
    /the node is 3 min 00 s behind/,
    lease('2026-11-27T11:59:58Z', '2026-11-27T11:56:58.2Z'),
  ],
  // Attach, and this machine.
  [
    'no WebSocket',
    'attach',
    'warning',
    /no WebSocket passes .*kubectl attaches/,
    {
      answer: ({ headers }) => (headers.upgrade ? { code: 400, body: '<html>' } : undefined),
    },
  ],
  [
    'no word on a WebSocket',
    'attach',
    'unknown',
    /no answer in/,
    silent(({ headers }) => headers.upgrade !== undefined),
  ],
  [
    'no watch',
    'attach',
    'unknown',
    /which you may not/,
    {
      denied: ['watch pods'],
      answer: ({ headers }) => (headers.upgrade ? denied('no') : undefined),
    },
  ],
  ['kubectl', 'attach', 'unknown', /through kubectl/, {}, ['node-a', '--transport', 'kubectl']],
  // What answers late.
  [
    'a node that does not come',
    'node',
    'unknown',
    /no answer in 4 s/,
    silent(({ path }) => path.endsWith('/nodes/node-a')),
  ],
  [
    'a dry run that does not come',
    'admission',
    'unknown',
    /no answer in 4 s/,
    silent(request => isDry(request, 'pods')),
  ],
];

function specOf(object: Json): Json {
  const spec = asObject(object['spec']);
  const template = asObject(spec['template']);
  return object['kind'] === 'Job' ? asObject(template['spec']) : spec;
}
function held(object: Json): Json {
  return { ...object, spec: { ...asObject(object['spec']), suspend: true } };
}

const asObject = (value: unknown): Json =>
  typeof value === 'object' && value !== null ? { ...value } : {};

function withSpec(object: Json, spec: Json): Json {
  return object['kind'] === 'Job'
    ? { ...object, spec: { ...asObject(object['spec']), template: { spec } } }
    : { ...object, spec };
}

function withContainer(object: Json, container: Json): Json {
  const spec = specOf(object);
  const containers = Array.isArray(spec['containers']) ? spec['containers'] : [];
  return withSpec(object, { ...spec, containers: [...containers, container] });
}

function changed(object: Json, more: Json): Json {
  const spec = specOf(object);
  const containers = Array.isArray(spec['containers']) ? spec['containers'] : [];
  return withSpec(object, { ...spec, containers: containers.map(one => ({ ...one, ...more })) });
}

function asking(requests: Json): Json {
  return session('bob', {
    spec: { nodeName: 'node-a', containers: [{ name: 'x', resources: { requests } }] },
    status: { phase: 'Running' },
  });
}

describe('each thing that a session lacks is named by its check', () => {
  test.each(
    CASES.map(([what, id, state, message, change, words = ['node-a']]) => ({
      ...{ what, id, state, message, change, words },
    })),
  )('$what: $id $state', async ({ id, state, message, change, words }) => {
    Object.assign(doctor.world, change);
    const { report, of, code } = await doctor.examine(words);
    const checks = of(id);
    expect(checks.map(check => check.state)).toContain(state);
    expect(checks.find(check => check.state === state)?.message).toMatch(message);
    const first = report.checks.find(check => check.state === 'failed');
    expect(code).toBe(first?.exitCode ?? 0);
    expect(report.verdict === 'ok').toBe(report.checks.every(check => check.state === 'ok'));
  });
});

describe('this machine', () => {
  test.each([
    ['kubectl', 'kubectl', /there is no kubectl on PATH/],
    ['kubectl-gpu_mcp', 'plugin', /not on PATH/],
  ] as const)('%s is missed', async (program, id, message) => {
    await rm(join(doctor.folder, program));
    const { of } = await doctor.examineOn(doctor.folder);
    expect(of(id)).toMatchObject([{ state: 'warning', message: expect.stringMatching(message) }]);
  });

  test('without kubectl nothing attaches where WebSockets do not pass', async () => {
    await rm(join(doctor.folder, 'kubectl'));
    doctor.world.version = 'v1.29.0';
    const { of, code } = await doctor.examineOn(doctor.folder);
    expect(of('attach')).toMatchObject([{ state: 'failed', exitCode: 3 }]);
    expect(code).toBe(3);
  });
});

test('the image by which it is tried is the one of the flags', async () => {
  await doctor.examine(['node-a', '--cpu', '100m']);
  const [dry] = doctor.api.seen('POST', /\/pods$/);
  expect(dry?.body).toMatchObject({
    spec: {
      nodeName: 'node-a',
      hostPID: true,
      containers: [{ image: IMAGE, resources: { limits: { cpu: '100m' } } }],
    },
  });
});

describe('with --no-image', () => {
  const examined = async (names: readonly string[], image = '--no-image') => {
    const archive = join(doctor.folder, 'agent.oci.tar');
    await writeFile(archive, ociArchive(images, IMAGE).archive);
    doctor.world.node = {
      metadata: { name: 'node-a' },
      status: { ...nodeStatus, images: [{ names }] },
    };
    const { of } = await doctor.examine(['node-a', image, '--agent-archive', archive]);
    return [...of('image'), ...of('image-platform')];
  };

  test('the image of the node and the agent for it are named, and tried', async () => {
    expect(await examined(['docker.io/library/busybox:1'])).toMatchObject([
      {
        state: 'ok',
        message: 'docker.io/library/busybox:1 is on the node, the agent is sent to it',
      },
      { state: 'ok', message: 'the archive holds the agent for linux/amd64' },
    ]);
    const [dry] = doctor.api.seen('POST', /\/pods$/);
    const container = {
      image: 'docker.io/library/busybox:1',
      imagePullPolicy: 'Never',
      workingDir: '/',
    };
    expect(dry?.body).toMatchObject({ spec: { containers: [container] } });
  });

  test('a node without such an image is told, and one that it does not report is not proven', async () => {
    expect(await examined(['registry.k8s.io/pause:3.10'])).toMatchObject([
      { state: 'failed', message: expect.stringContaining('none of the 1 images') },
      { state: 'unknown' },
    ]);
    expect(await examined(['x:1'], '--no-image=y:1')).toMatchObject([
      { state: 'unknown', message: 'y:1 is not among the 1 images that the node reports' },
      { state: 'ok' },
    ]);
  });
});
