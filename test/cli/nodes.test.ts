import { load } from 'js-yaml';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GpuNodeList } from '../../src/contract/fleet.ts';
import { FakeApiServer, type Json } from '../cluster/fake-api-server.ts';
import { run } from './run.ts';

let api: FakeApiServer;
beforeEach(async () => {
  api = await FakeApiServer.start();
  const labels = {
    'nvidia.com/gpu.present': 'true',
    'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3',
    'nvidia.com/cuda.driver-version.full': '570.124.06',
  };
  api.put('nodes', node('gpu-a', labels, { capacity: '8', allocatable: '7' }));
  api.put('nodes', {
    ...node('gpu-b', { 'nvidia.com/gpu.count': '4' }),
    spec: { unschedulable: true, taints: [{ key: 'gpu', value: 'bad', effect: 'NoSchedule' }] },
  });
  api.put('nodes', node('cpu-1', { pool: 'cpu' }));
});
afterEach(() => api[Symbol.asyncDispose]());

const node = (
  name: string,
  labels: Json,
  gpus?: { capacity: string; allocatable: string },
): Json => ({
  metadata: { name, labels },
  status: {
    ...(gpus && {
      capacity: { 'nvidia.com/gpu': gpus.capacity },
      allocatable: { 'nvidia.com/gpu': gpus.allocatable },
    }),
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'MemoryPressure', status: name === 'gpu-b' ? 'True' : 'False' },
    ],
    nodeInfo: { osImage: 'Ubuntu 24.04', kubeletVersion: 'v1.34.1' },
  },
});

const nodes = async (...words: string[]) =>
  run(['nodes', '--kubeconfig', await api.kubeconfig(), ...words]);

test('text and wide are tables', async () => {
  expect((await nodes()).stdout).toMatchInlineSnapshot(`
    "NODE    STATUS   GPUS           PRODUCT                 OS             STATE
    gpu-a   Ready    7 of 8         NVIDIA-H100-80GB-HBM3   Ubuntu 24.04
    gpu-b   Ready    none offered                           Ubuntu 24.04   cordoned gpu:NoSchedule MemoryPressure
    "
  `);
  expect((await nodes('-o', 'wide')).stdout).toMatchInlineSnapshot(`
    "NODE    STATUS   GPUS           PRODUCT                 OS             STATE                                    DRIVER       KUBELET   INSTANCE
    gpu-a   Ready    7 of 8         NVIDIA-H100-80GB-HBM3   Ubuntu 24.04                                            570.124.06   v1.34.1
    gpu-b   Ready    none offered                           Ubuntu 24.04   cordoned gpu:NoSchedule MemoryPressure                v1.34.1
    "
  `);
});

test('JSON and YAML are one list, with numbers as numbers and lists as lists', async () => {
  const { code, stdout } = await nodes('-o', 'json');
  expect(code).toBe(0);
  const list = GpuNodeList.parse(JSON.parse(stdout));
  expect(list.items).toMatchInlineSnapshot(`
    [
      {
        "allocatable": 7,
        "conditions": [],
        "cordoned": false,
        "driver": "570.124.06",
        "gpus": 8,
        "kubelet": "v1.34.1",
        "labelled": true,
        "node": "gpu-a",
        "os": "Ubuntu 24.04",
        "product": "NVIDIA-H100-80GB-HBM3",
        "ready": "Ready",
        "taints": [],
      },
      {
        "conditions": [
          "MemoryPressure",
        ],
        "cordoned": true,
        "kubelet": "v1.34.1",
        "labelled": true,
        "labelledGpus": 4,
        "node": "gpu-b",
        "os": "Ubuntu 24.04",
        "ready": "Ready",
        "taints": [
          {
            "effect": "NoSchedule",
            "key": "gpu",
            "value": "bad",
          },
        ],
      },
    ]
  `);
  expect(load((await nodes('-o', 'yaml')).stdout)).toEqual(list);
});

test('a label that is no number is none', async () => {
  api.put('nodes', node('gpu-c', { 'nvidia.com/gpu.count': 'many' }));
  const { stdout } = await nodes('-o', 'json', '-l', 'nvidia.com/gpu.count=many');
  const [item] = GpuNodeList.parse(JSON.parse(stdout)).items;
  expect([item?.labelled, item?.labelledGpus]).toEqual([true, undefined]);
});

test('name is what kubectl takes; a selector shows what it selects', async () => {
  expect((await nodes('-o', 'name')).stdout).toBe('node/gpu-a\nnode/gpu-b\n');
  expect((await nodes('-o', 'name', '-l', 'pool=cpu')).stdout).toBe('node/cpu-1\n');
  expect((await nodes('-l', 'pool=cpu')).stdout).toMatch(/^cpu-1 {3}Ready {4}- /m);
});

test('a form that there is none of is named', async () => {
  const { code, stderr } = await nodes('-o', 'jsonpath');
  expect(code).toBe(2);
  expect(stderr).toContain('wide');
});
