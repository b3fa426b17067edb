import { expect, test } from 'vitest';
import { Explanation, explain } from '../../src/xid/explain.ts';
import { allPastedTexts, TEXT_SOURCES } from '../../src/xid/pasted-texts.ts';

const rows = allPastedTexts();

test('the table holds at least 80 texts, each once and with its source', () => {
  expect(rows.length).toBeGreaterThanOrEqual(80);
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  expect(rows.filter(({ source }) => !(source in TEXT_SOURCES))).toEqual([]);
  const texts = rows.flatMap(row => row.texts);
  expect(texts.filter(text => text !== text.toLowerCase())).toEqual([]);
  expect(new Set(texts).size).toBe(texts.length);
});

test.each(rows.map(row => [row.id, row] as const))(
  '%s is found by each of its texts',
  (id, row) => {
    for (const text of row.texts) {
      const [answer] = explain(`RuntimeError: ${text.replace(' … ', ' x ')} [worker 3]`);
      Explanation.parse(answer);
      expect([text, answer?.decoded?.['text']]).toEqual([text, id]);
    }
  },
);

// Lines as people paste them, of the threads and documents named in the table.
test.each([
  ['RuntimeError: CUDA error: unspecified launch failure', 'cuda-719'],
  ['CUDA error 802: system not yet initialized', 'cuda-802'],
  ['CUDA error 719', 'cuda-719'],
  ["NCCL WARN Cuda failure 999 'unknown error'", 'cuda-999'],
  [
    'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB',
    'cuda-2',
  ],
  // NVIDIA/gpu-operator issue 544, and akash-network/website pull request 632.
  [
    "nv-fabricmanager[3228]: fabric manager NVIDIA GPU driver interface version 530.30.02 don't match with driver version 530.41.03. Please update with matching NVIDIA driver package.",
    'fabric-manager-version',
  ],
  [
    "Nov 05 13:55:26 node1 nv-fabricmanager[104230]: fabric manager NVIDIA GPU driver interface version 550.127.05 don't match with driver version 550.120. Please update with matching NVIDIA driver package.",
    'fabric-manager-version',
  ],
  ['RuntimeError: CUDA error: uncorrectable ECC error encountered', 'cuda-214'],
  ['Failed to initialize NVML: Unknown Error', 'nvml-unknown'],
  ['Failed to initialize NVML: Driver/library version mismatch', 'nvml-18'],
  ['Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error', 'nvml-handle'],
  [
    '[rank3]:[E1218 20:27:21.426 ProcessGroupNCCL.cpp:629] [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=BROADCAST, Timeout(ms)=600000) ran for 600081 milliseconds before timing out.',
    'nccl-watchdog',
  ],
  [
    'node7:1:2 [0] NCCL WARN NET/IB : Got completion from peer 10.0.0.3<44> with status=12 opcode=0 len=0 vendor err 129',
    'nccl-ib-12',
  ],
  [
    'GPU 3 had memory errors and row remappings are pending DCGM_FR_PENDING_ROW_REMAP',
    'dcgm-pending_row_remap',
  ],
  [
    'nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file: no such file or directory: unknown',
    'container-load-library',
  ],
  [
    'nvidia-container-cli: initialization error: nvml error: driver/library version mismatch: unknown',
    'nvml-18',
  ],
  [
    'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
    'container-capabilities',
  ],
  [
    'Pod was rejected: Allocate failed due to no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu, which is unexpected',
    'kubelet-no-healthy',
  ],
  [
    '0/4 nodes are available: 4 Insufficient nvidia.com/gpu. preemption: 0/4 nodes are available',
    'kubelet-insufficient',
  ],
])('%s', (line, id) => {
  const [answer] = explain(line);
  expect(answer).toMatchObject({ family: 'text', decoded: { text: id } });
  expect(answer?.decoded?.['next']).toBeTruthy();
});

test('a text that the table does not hold is said to be unknown', () => {
  expect(() => explain('Error: something went wrong on the GPU')).toThrow(/is unknown/);
});

test('a number alone stays an XID, and CUDA versions are no errors', () => {
  expect(explain('719')[0]).toMatchObject({ family: 'xid', notCatalogued: true });
  expect(() => explain('we run CUDA 12.4 on driver 550')).toThrow(/is unknown/);
});
