import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { kubectl, leftAfterTenSeconds, made, until, withImage } from './plugin.ts';

/** Kubeflow's resource as far as the API server has to know it. */
const CRD = {
  ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
  metadata: { name: 'jaxjobs.kubeflow.org' },
  spec: {
    ...{ group: 'kubeflow.org', scope: 'Namespaced' },
    names: { plural: 'jaxjobs', singular: 'jaxjob', kind: 'JAXJob' },
    versions: [
      {
        ...{ name: 'v1', served: true, storage: true },
        schema: {
          openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
      },
    ],
  },
};

/** A container that writes these lines and ends so, or goes on. */
const containerOf = (name: string, lines: readonly string[], exitCode?: number) => ({
  ...{ name, image: inject('image'), imagePullPolicy: 'Never' },
  command: [
    'node',
    '-e',
    `console.log(process.argv[1]);${exitCode === undefined ? 'setInterval(()=>{},1e6)' : `process.exitCode=${exitCode}`}`,
  ],
  args: [lines.join('\n')],
});
const podOf = (
  { job, name, node }: { readonly job: string; readonly name: string; readonly node: string },
  ...containers: readonly object[]
) => ({
  ...{ apiVersion: 'v1', kind: 'Pod' },
  metadata: { name, labels: { 'training.kubeflow.org/job-name': job } },
  spec: {
    ...{ nodeName: node, restartPolicy: 'Never', terminationGracePeriodSeconds: 0 },
    containers,
  },
});

const HANG = 'e2e-hang';
const SAID = 'e2e-said';
const PODS = [`${HANG}-0`, `${HANG}-1`, `${SAID}-0`];
const XID =
  "[18331.62] NVRM: Xid (PCI:0000:bb:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";

beforeAll(async () => {
  await made(CRD);
  await until(
    ['crd', CRD.metadata.name, '{.status.conditions[?(@.type=="Established")].status}'],
    'True',
  );
  for (const name of [HANG, SAID]) {
    await made({ apiVersion: 'kubeflow.org/v1', kind: 'JAXJob', metadata: { name }, spec: {} });
  }
  const unresolved =
    '[W1111 08:16:59.230811720 socket.cpp:755] [c10d] The IPv6 network addresses of (e2e-hang-0, 23456) cannot be retrieved (gai error: -3 - Temporary failure in name resolution).';
  await made(
    podOf(
      { job: HANG, name: `${HANG}-1`, node: 'node-b' },
      containerOf('train', ['starts', unresolved]),
    ),
  );
  await until(['pod', `${HANG}-1`, '{.status.phase}'], 'Running');
  const waited =
    'torch.distributed.DistStoreError: Timed out after 1801 seconds waiting for clients. 1/2 clients joined.';
  await made(
    podOf({ job: HANG, name: `${HANG}-0`, node: 'node-a' }, containerOf('train', [waited], 1)),
  );
  await until(['pod', `${HANG}-0`, '{.status.phase}'], 'Failed');
  await made(
    podOf(
      { job: SAID, name: `${SAID}-0`, node: 'node-b' },
      containerOf('train', ['RuntimeError: CUDA error: unspecified launch failure'], 1),
      containerOf('kmsg', ['kmsg-tail: following /dev/kmsg', XID]),
    ),
  );
  await until(
    [
      'pod',
      `${SAID}-0`,
      '{.status.containerStatuses[?(@.name=="train")].state.terminated.exitCode}',
    ],
    '1',
  );
});

afterAll(async () => {
  await kubectl(['delete', 'pod', ...PODS, '--ignore-not-found', '--force']);
  await kubectl(['delete', 'crd', CRD.metadata.name, '--ignore-not-found']);
});

const triaged = async (...args: string[]) => {
  const ran = await kubectl(withImage('triage', ...args, '-q', '-o', 'json'));
  expect(ran.stderr).toBe('');
  return JSON.parse(ran.stdout).job;
};

test('a pod that still runs is where it began, by its last words; without logs nobody knows', async () => {
  const job = await triaged(`jaxjob/${HANG}`);
  expect(job).toMatchObject({
    ...{ job: `JAXJob/${HANG}`, state: 'failed' },
    first: { node: 'node-b', pod: `${HANG}-1` },
    pods: { all: 2, running: 1, failed: 1 },
    logs: { read: 2, requests: 2 },
  });
  expect(job.why.join(' ')).toContain('Temporary failure in name resolution');
  const unread = await triaged(`jaxjob/${HANG}`, '--no-pod-logs');
  expect(unread).toMatchObject({ logs: { read: 0, requests: 0 } });
  expect(JSON.stringify(unread)).not.toContain('name resolution');
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('an XID that a container beside the program prints is none where the kernel log has no such line, and possible where it was not read', async () => {
  const job = await triaged(`jaxjob/${SAID}`);
  expect(job).toMatchObject({
    ...{ fault: 'application', logs: { read: 2, requests: 2 } },
    first: { node: 'node-b', pod: `${SAID}-0`, what: 'Unspecified launch failure' },
  });
  expect(job.against.join('\n')).toMatch(
    /^its container kmsg tells of XID 79: .*, but the kernel log of that time was read and has no such line$/m,
  );
  const since = new Date().toISOString();
  const asked = ['node-b', 'explain_failure', '--pod', `${SAID}-0`, '--since', since];
  const ran = await kubectl(withImage('call', ...asked, '-q', '-o', 'json'));
  expect(JSON.parse(ran.stdout)).toMatchObject({
    ...{ fault: 'unknown', confidence: 'low', action: 'watch' },
    why: expect.arrayContaining([
      expect.stringMatching(/^its container kmsg tells of XID 79: GPU has fallen off the bus at /),
    ]),
  });
});
