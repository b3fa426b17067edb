import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import * as z from 'zod';
import { machineFile } from './machines.ts';
import { cluster, kubectl, leftAfterTenSeconds, mcpClient, withImage } from './plugin.ts';

const LEVELS = ['baseline', 'restricted'] as const;
type Level = (typeof LEVELS)[number];
const within = (level: Level) => `jobs-${level}`;
const ENTRY = 'its entry stays in the pod until the pod is deleted';

/** Has a namespace enforce another level of Pod Security for a while. */
const enforce = (level: Level | 'privileged', of: Level = 'baseline') =>
  kubectl([
    ...['label', 'namespace', within(of), '--overwrite'],
    `pod-security.kubernetes.io/enforce=${level}`,
  ]);

const create = async (object: object) => {
  const made = await kubectl(['create', '-f', '-'], { input: JSON.stringify(object) });
  expect(made.code, made.stderr).toBe(0);
};

const AS_USER = {
  ...{ runAsUser: 1_000, runAsNonRoot: true, allowPrivilegeEscalation: false },
  ...{ capabilities: { drop: ['ALL'] }, seccompProfile: { type: 'RuntimeDefault' } },
};

const FILL =
  "process.on('SIGTERM',()=>process.exit(3));const fs=require('fs');const f=fs.openSync('/dev/shm/f','w');try{for(;;)fs.writeSync(f,Buffer.alloc(1<<20))}catch{}setInterval(()=>{},1e6)";

/** A pod of a job with a driver's library that is not the node's, and a /dev/shm that it has filled. */
const jobPod = (
  level: Level,
  name: string,
  securityContext: object | undefined,
  more: object = {},
) => ({
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: within(level) } },
  spec: {
    ...{ nodeName: 'node-b', restartPolicy: 'Never', terminationGracePeriodSeconds: 0 },
    containers: [
      {
        ...{ name: 'train', image: inject('image'), imagePullPolicy: 'Never' },
        ...{ command: ['node', '-e', FILL], ...(securityContext && { securityContext }) },
        env: [
          { name: 'CUDA_VISIBLE_DEVICES', value: '0' },
          { name: 'HF_TOKEN', value: 'MARKER-OF-A-SECRET' },
        ],
        volumeMounts: ['libnvidia-ml.so.1', 'sim-nvml.machine'].map(file => ({
          ...{ name: 'driver', subPath: file },
          mountPath: `/usr/lib/x86_64-linux-gnu/${file}`,
        })),
      },
    ],
    volumes: [{ name: 'driver', configMap: { name: 'driver' } }],
    ...more,
  },
});

async function runs(level: Level, name: string): Promise<void> {
  await kubectl([
    ...['wait', 'pod', name, '-n', within(level), '--for=jsonpath={.status.phase}=Running'],
    '--timeout=60s',
  ]);
}

beforeAll(async () => {
  for (const level of LEVELS) {
    const labels = { 'pod-security.kubernetes.io/enforce': level };
    await create({
      ...{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: within(level), labels } },
    });
    await create({
      ...{ apiVersion: 'v1', kind: 'ConfigMap' },
      metadata: { name: 'driver', namespace: within(level) },
      binaryData: { 'libnvidia-ml.so.1': readFileSync(inject('library')).toString('base64') },
      data: { 'sim-nvml.machine': machineFile('lost-gpu') },
    });
    await create({
      ...{ apiVersion: 'v1', kind: 'ServiceAccount' },
      metadata: { name: 'admin', namespace: within(level) },
    });
    await vi.waitFor(() => create(jobPod(level, 'train-0', AS_USER)), 20_000);
    await runs(level, 'train-0');
  }
});

afterAll(async () => {
  await kubectl(['delete', 'namespace', ...LEVELS.map(within), '--wait=false']);
});

const triage = (level: Level, pod: string, ...words: readonly string[]) =>
  kubectl(
    withImage('triage', `pod/${pod}`, '-n', within(level), '--profile', 'ephemeral', ...words),
  );

/** Of the pod's containers of ours: how each has ended, or that it runs. */
async function ownIn(level: Level, pod: string): Promise<readonly string[]> {
  const got = await kubectl(['get', 'pod', pod, '-n', within(level), '-o', 'json']);
  const { ephemeralContainerStatuses = [] } = JSON.parse(got.stdout).status;
  return ephemeralContainerStatuses.map(({ state }: { state: object }) => Object.keys(state)[0]);
}

const ended = (level: Level, pod: string) =>
  vi.waitFor(async () => {
    const states = await ownIn(level, pod);
    expect(states.length).toBeGreaterThan(0);
    expect(new Set(states)).toEqual(new Set(['terminated']));
  }, 15_000);

describe('--profile ephemeral', () => {
  test.each(LEVELS)(
    'reads the pod’s GPUs and its container under Pod Security "%s"',
    async level => {
      const record = join(mkdtempSync(join(tmpdir(), 'gpu-mcp-record-')), 'record');
      const ran = await triage(level, 'train-0', '-o', 'json', '--record', record);
      expect(ran.code, ran.stderr).toBe(0);
      const lines = readFileSync(record, 'utf8').trim().split('\n');
      const events = lines.map(line => JSON.parse(line));
      expect(events.find(({ event }) => event === 'pod')).toMatchObject({
        ...{ node: 'node-b', pod: { namespace: within(level), name: 'train-0' } },
        ...{ container: expect.stringMatching(/^gpu-mcp-/), image: { asked: inject('image') } },
      });
      const { job, items } = JSON.parse(ran.stdout);
      expect(job.containers).toMatchObject([
        { pod: 'train-0', what: expect.stringContaining('/dev/shm of 64 MiB is full') },
      ]);
      const [{ answer }] = items;
      expect(answer.verdict, answer.gaps.join('\n')).toBe('critical');
      const ids = answer.findings.map(({ id }: { id: string }) => id);
      expect(ids).toContain('lost-gpu:3');
      expect(ids).not.toContain('leaked-context');
      const gaps = answer.gaps.join('\n');
      expect(gaps).toContain('PCI bus: needs the node, for this is a pod’s own word');
      expect(gaps).toContain('no kernel log could be read (needs the node');
      expect(gaps).toMatch(/processes not read \(needs the node/);
      expect(ran.stdout).not.toContain('MARKER');
      expect(ran.stderr).toMatch(
        /container gpu-mcp-\w+ is being added beside train in pod .*; its entry stays/,
      );
      expect(ran.stderr).toContain(`has ended, verified; ${ENTRY}`);
      expect(await ownIn(level, 'train-0')).toEqual(['terminated']);
      expect(await leftAfterTenSeconds()).toEqual([]);
    },
  );

  test.each<[string, object | undefined, object]>([
    ['as-root', { runAsUser: 0 }, {}],
    ['as-image', undefined, {}],
    ['shared-pids', { runAsUser: 0 }, { shareProcessNamespace: true }],
  ])(
    'looks into a container with its very user and capabilities: %s',
    async (name, security, more) => {
      await create(jobPod('baseline', name, security, more));
      await runs('baseline', name);
      const ran = await triage('baseline', name, '-o', 'json');
      expect(ran.code, ran.stderr).toBe(0);
      const { job, items } = JSON.parse(ran.stdout);
      expect(job.containers).toMatchObject([{ what: expect.stringContaining('is full') }]);
      // Its own library is found, also where process 1 is the pause container's.
      expect(items[0].answer.verdict, items[0].answer.gaps.join('\n')).toBe('critical');
      const ids = items[0].answer.findings.map(({ id }: { id: string }) => id);
      expect(ids).toContain('lost-gpu:3');
    },
  );

  test('what is closed to it is a gap that says so', async () => {
    const own = {
      ...AS_USER,
      capabilities: { add: ['NET_ADMIN'] },
      runAsUser: 0,
      runAsNonRoot: false,
    };
    await enforce('privileged');
    await create(jobPod('baseline', 'more', { ...own, allowPrivilegeEscalation: true }));
    await runs('baseline', 'more');
    const ran = await triage('baseline', 'more', '-o', 'json');
    await enforce('baseline');
    expect(ran.code, ran.stderr).toBe(0);
    const { job, items } = JSON.parse(ran.stdout);
    expect(job.notes.join('\n')).toContain('needs the user and capabilities of the container');
    expect(items[0].answer.verdict).toBe('unknown');
    expect(items[0].answer.gaps.join('\n')).toContain(
      'NVML: needs this pod’s GPUs from NVIDIA’s runtime',
    );
  });

  test('ends within its bound when the plugin is killed', async () => {
    await create(jobPod('restricted', 'killed', AS_USER));
    await runs('restricted', 'killed');
    const words = ['pod/killed', '-n', within('restricted'), '--profile', 'ephemeral'];
    const { client, transport } = await mcpClient(words);
    const answer = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(answer.isError).not.toBe(true);
    expect(answer.structuredContent).toMatchObject({ verdict: 'critical' });
    expect(await ownIn('restricted', 'killed')).toEqual(['running']);
    const listed = await kubectl(['gpu-mcp', 'clean', '-n', within('restricted'), '--dry-run']);
    expect(listed.stdout).toMatch(
      /container gpu-mcp-\w+ in pod jobs-restricted\/killed on node-b: kept: it still runs/,
    );
    process.kill(transport.pid ?? 0, 'SIGKILL');
    await ended('restricted', 'killed');
    expect(await leftAfterTenSeconds()).toEqual([]);
  });

  test('clean ends one by its name, and says what stays', async () => {
    await create(jobPod('restricted', 'cleaned', AS_USER));
    await runs('restricted', 'cleaned');
    const words = ['pod/cleaned', '-n', within('restricted'), '--profile', 'ephemeral'];
    const { client } = await mcpClient(words);
    await client.callTool({ name: 'get_gpu_inventory', arguments: {} });
    const listed = await kubectl(['gpu-mcp', 'clean', '-n', within('restricted')]);
    const [name = ''] = /gpu-mcp-\w+(?= in pod jobs-restricted\/cleaned)/.exec(listed.stdout) ?? [];
    const ran = await kubectl(['gpu-mcp', 'clean', name, '-n', within('restricted')]);
    expect(ran.stdout).toContain(
      `${name} in pod jobs-restricted/cleaned on node-b: has ended; ${ENTRY}`,
    );
    await ended('restricted', 'cleaned');
    await client.close();
  });

  test('the job beside it, started anew or deleted in mid-session, ends it in a sentence', async () => {
    const always = { restartPolicy: 'Always' };
    await create(jobPod('baseline', 'restarts', AS_USER, always));
    await runs('baseline', 'restarts');
    const words = ['pod/restarts', '-n', within('baseline'), '--profile', 'ephemeral'];
    const { client } = await mcpClient(words);
    await client.callTool({ name: 'get_gpu_inventory', arguments: {} });
    await kubectl([
      ...['exec', 'restarts', '-n', within('baseline'), '-c', 'train', '--'],
      ...['node', '-e', 'process.kill(1, 15)'],
    ]);
    await ended('baseline', 'restarts');
    const again = await vi.waitFor(async () => {
      const answer = await client.callTool({ name: 'get_gpu_inventory', arguments: {} });
      expect(answer.isError).not.toBe(true);
      return answer;
    }, 60_000);
    expect(JSON.stringify(again)).toContain('H100');
    await kubectl(['delete', 'pod', 'restarts', '-n', within('baseline'), '--now']);
    const gone = await client.callTool({ name: 'get_gpu_inventory', arguments: {} });
    expect(gone.isError).toBe(true);
    expect(JSON.stringify(gone)).toMatch(
      /pod jobs-baseline\/restarts (?:is not there|was deleted|is being deleted)/,
    );
    await client.close();
    expect(await leftAfterTenSeconds()).toEqual([]);
  });
});

describe('what refuses it is a sentence', () => {
  const ofRights = async (kind: string) => {
    const words = ['--profile', 'ephemeral', '--for-user', 'olga'];
    const printed = await kubectl([
      'gpu-mcp',
      'manifest',
      kind,
      '-n',
      within('restricted'),
      ...words,
    ]);
    expect(printed.code, printed.stderr).toBe(0);
    expect((await kubectl(['apply', '-f', '-'], { input: printed.stdout })).code).toBe(0);
  };

  test('who has no right reads which, and the printed rights are enough for a page', async () => {
    const kubeconfig = cluster().kubeconfigFor('olga', []);
    const words = ['triage', 'pod/train-0', '-n', within('restricted'), '--profile', 'ephemeral'];
    const asOlga = (...more: readonly string[]) =>
      kubectl(withImage(...words, ...more), { kubeconfig });
    const refused = await asOlga();
    expect(refused.code).toBe(3);
    expect(refused.stderr).toMatch(/user "olga" may not get pods in namespace "jobs-restricted"/);
    await ofRights('rbac');
    const ran = await asOlga('-o', 'json');
    expect(ran.code, ran.stderr).toBe(0);
    const { job, items } = JSON.parse(ran.stdout);
    expect(job.containers).toHaveLength(1);
    expect(items[0].answer.cluster.unavailable.no_permission).toContain('node');
    await kubectl(['delete', 'role,rolebinding', '-n', within('restricted'), '--all']);
  });

  test('Pod Security, a static pod, an ended one, an image that is nowhere, containers without a name', async () => {
    await enforce('restricted');
    const refused = await triage('baseline', 'as-root');
    await enforce('baseline');
    expect(refused.stderr).toMatch(
      /Pod Security standard "?restricted.* refuses our container in the pod/,
    );
    const [train] = jobPod('baseline', 'two', AS_USER).spec.containers;
    const two = { containers: [train, { ...train, name: 'log' }] };
    await create(jobPod('baseline', 'two', AS_USER, two));
    await runs('baseline', 'two');
    const unnamed = await triage('baseline', 'two');
    expect(unnamed.stderr).toContain('pod jobs-baseline/two has several containers: train, log');
    const named = await triage('baseline', 'two', '-c', 'log', '-o', 'json');
    expect(named.code, named.stderr).toBe(0);
    const nowhere = await kubectl([
      ...['gpu-mcp', 'triage', 'pod/two', '-c', 'log', '-n', within('baseline')],
      ...['--profile', 'ephemeral', '--image', 'localhost/nowhere:1'],
    ]);
    expect(nowhere.stderr).toMatch(/the image localhost\/nowhere:1 cannot be pulled/);
    expect(nowhere.stderr).toContain('it ends by itself');
    await create({
      ...jobPod('baseline', 'over', AS_USER),
      spec: {
        ...jobPod('baseline', 'over', AS_USER).spec,
        containers: [{ ...train, command: ['node', '-e', ''] }],
      },
    });
    await kubectl([
      ...['wait', 'pod', 'over', '-n', within('baseline'), '--timeout=60s'],
      '--for=jsonpath={.status.phase}=Succeeded',
    ]);
    const over = await triage('baseline', 'over');
    expect(over.stderr).toContain('pod jobs-baseline/over has ended: Succeeded');
  });
});

describe('what an admin lets be added to pods of jobs', () => {
  const dryRun = (pod: string, container: object, metadata: object = {}) =>
    kubectl([
      ...['patch', 'pod', pod, '-n', within('restricted'), '--subresource=ephemeralcontainers'],
      ...['--dry-run=server', '-p'],
      JSON.stringify({ metadata, spec: { ephemeralContainers: [container] } }),
    ]);

  test('is our container alone, whatever else is tried, or none', async () => {
    const printed = await kubectl(
      withImage('manifest', 'policy', '-n', within('restricted'), '--profile', 'ephemeral'),
    );
    expect(printed.code, printed.stderr).toBe(0);
    const applied = await kubectl(['apply', '-f', '-'], { input: printed.stdout });
    expect(applied.code, applied.stderr).toBe(0);
    const ownOf = async (pod: string) => {
      const patch = await kubectl(
        withImage(
          ...['manifest', 'pod', `pod/${pod}`, '-n', within('restricted')],
          ...['--profile', 'ephemeral'],
        ),
      );
      expect(patch.code, patch.stderr).toBe(0);
      return containersIn(load(patch.stdout))[0];
    };
    const own = await ownOf('train-0');
    const variables: readonly { name: string; value: string }[] = own.env;
    const withEnv = (name: string, value: string) => ({
      ...own,
      env: variables.map(each => (each.name === name ? { name, value } : each)),
    });
    const security = (more: object) => ({
      ...own,
      securityContext: { ...own.securityContext, ...more },
    });
    const MUTANTS: Readonly<Record<string, readonly [object, RegExp]>> = {
      image: [{ ...own, image: 'evil:1' }, /ephemeralContainers\.image/],
      name: [{ ...own, name: 'debugger' }, /ephemeralContainers\.name/],
      command: [{ ...own, command: ['sh'] }, /ephemeralContainers\.\*/],
      args: [{ ...own, args: ['--driver-root', '/x'] }, /ephemeralContainers\.args/],
      mount: [
        { ...own, volumeMounts: [{ name: 'driver', mountPath: '/x' }] },
        /ephemeralContainers\.\*/,
      ],
      stdin: [{ ...own, stdinOnce: false }, /ephemeralContainers\.stdin/],
      all: [withEnv('NVIDIA_VISIBLE_DEVICES', 'all'), /ephemeralContainers\.env/],
      number: [withEnv('NVIDIA_VISIBLE_DEVICES', '0'), /ephemeralContainers\.env/],
      profile: [withEnv('GPU_MCP_PROFILE', 'restricted'), /ephemeralContainers\.env/],
      life: [withEnv('GPU_MCP_LIFE_SECONDS', '999999'), /ephemeralContainers\.env/],
      preload: [
        { ...own, env: [...variables, { name: 'LD_PRELOAD', value: '/x' }] },
        /ephemeralContainers\.env/,
      ],
      other: [
        { ...own, env: [...variables, { name: 'GPU_MCP_USER', value: 'somebody' }] },
        /ephemeralContainers\.env/,
      ],
      escalation: [
        security({ allowPrivilegeEscalation: true }),
        /ephemeralContainers\.securityContext|violates PodSecurity/,
      ],
      unconfined: [
        security({ seccompProfile: { type: 'Unconfined' } }),
        /ephemeralContainers\.securityContext|violates PodSecurity/,
      ],
      capability: [
        security({ capabilities: { drop: ['ALL'], add: ['SYS_ADMIN'] } }),
        /ephemeralContainers\.securityContext|violates PodSecurity/,
      ],
      writable: [
        security({ readOnlyRootFilesystem: false }),
        /ephemeralContainers\.securityContext/,
      ],
      target: [
        { ...own, targetContainerName: 'other' },
        /ephemeralContainers\.targetContainerName|targetContainerName: Not found/,
      ],
      noTarget: [
        Object.fromEntries(Object.entries(own).filter(([key]) => key !== 'targetContainerName')),
        /ephemeralContainers\.targetContainerName/,
      ],
      foreignGpu: [
        withEnv('NVIDIA_VISIBLE_DEVICES', 'GPU-11111111-2222-4333-8444-555555555555'),
        /ephemeralContainers\.targetContainerName/,
      ],
      otherUser: [security({ runAsUser: 4_242 }), /ephemeralContainers\.targetContainerName/],
      otherGroup: [security({ runAsGroup: 4_242 }), /ephemeralContainers\.targetContainerName/],
      seLinux: [
        security({ seLinuxOptions: { type: 'container_t' } }),
        /ephemeralContainers\.targetContainerName/,
      ],
      appArmor: [
        security({ appArmorProfile: { type: 'RuntimeDefault' } }),
        /ephemeralContainers\.targetContainerName/,
      ],
      lock: [
        security({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } }),
        /ephemeralContainers\.targetContainerName/,
      ],
    };
    // The API server learns of a policy a moment later.
    await vi.waitFor(
      async () => expect((await dryRun('train-0', { ...own, image: 'evil:1' })).code).not.toBe(0),
      30_000,
    );
    // To a pod of that name, and of another UID, none is added: it was made anew since we looked at it.
    const anew = await dryRun('train-0', own, { uid: '11111111-2222-4333-8444-555555555555' });
    expect(anew.stderr).toMatch(/uid/i);
    expect((await dryRun('train-0', own)).code).toBe(0);
    // A user that the image alone names is known by its kubelet.
    await create(jobPod('restricted', 'imaged', { ...AS_USER, runAsUser: undefined }));
    await runs('restricted', 'imaged');
    const imaged = await ownOf('imaged');
    const asAnother = { ...imaged.securityContext, runAsUser: 4_242 };
    expect((await dryRun('imaged', imaged)).code).toBe(0);
    expect((await dryRun('imaged', { ...imaged, securityContext: asAnother })).stderr).toMatch(
      /ephemeralContainers\.targetContainerName/,
    );
    for (const [name, [container, rule]] of Object.entries(MUTANTS)) {
      const refused = await dryRun('train-0', container);
      expect(refused.stderr, name).toMatch(rule);
    }
    // What Pod Security would refuse before the policy does.
    await enforce('baseline', 'restricted');
    try {
      const asRoot = { runAsUser: 0, runAsGroup: 7, capabilities: { drop: ['NET_RAW'] } };
      await create(jobPod('restricted', 'rooted', asRoot));
      await runs('restricted', 'rooted');
      const rooted = await ownOf('rooted');
      expect(rooted.securityContext).toMatchObject(asRoot);
      const tried = (more: object) =>
        dryRun('rooted', { ...rooted, securityContext: { ...rooted.securityContext, ...more } });
      for (const drop of [['NET_RAW'], ['ALL']]) {
        expect((await tried({ capabilities: { drop } })).code).toBe(0);
      }
      for (const more of [{ capabilities: {} }, { runAsGroup: 0 }, { runAsGroup: null }]) {
        expect((await tried(more)).stderr, JSON.stringify(more)).toMatch(
          /ephemeralContainers\.targetContainerName/,
        );
      }
    } finally {
      await enforce('restricted', 'restricted');
    }
    const ran = await triage('restricted', 'train-0', '--redact-names', '-o', 'json');
    expect(ran.code, ran.stderr).toBe(0);
    await kubectl([
      'delete',
      'validatingadmissionpolicy,validatingadmissionpolicybinding',
      '-l',
      OURS,
    ]);
  });

  test('the way to forbid all that docs/admins.md prints forbids all', async () => {
    const [, policy = ''] =
      /```yaml\n(apiVersion: admissionregistration[\s\S]*?no-ephemeral-containers[\s\S]*?)```/.exec(
        readFileSync(new URL('../docs/admins.md', import.meta.url), 'utf8'),
      ) ?? [];
    const mine = policy.replaceAll('team-a', within('restricted'));
    expect((await kubectl(['apply', '-f', '-'], { input: mine })).code).toBe(0);
    await vi.waitFor(async () => {
      const refused = await triage('restricted', 'train-0');
      expect(refused.stderr).toMatch(
        /admission policy "no-ephemeral-containers" refuses our container/,
      );
    }, 30_000);
    await kubectl(['delete', '-f', '-'], { input: mine });
  });
});

const OURS = 'app.kubernetes.io/managed-by=kubectl-gpu-mcp';

const Patch = z.object({
  spec: z.object({
    ephemeralContainers: z.array(
      z.looseObject({
        env: z.array(z.object({ name: z.string(), value: z.string() })),
        securityContext: z.looseObject({}),
      }),
    ),
  }),
});

function containersIn(patch: unknown) {
  const [first] = Patch.parse(patch).spec.ephemeralContainers;
  if (!first) throw new Error('no container was printed');
  return [first] as const;
}
