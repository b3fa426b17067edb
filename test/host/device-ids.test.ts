import { expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import { deviceRef } from '../../src/host/pods.ts';

const UUID = '8c1f9f2e-6a0b-4d7c-8c1f-9f2e6a0b4d7c';
const GPUS = [
  { pci: '0000:3b:00', model: present('A100'), uuid: present(`GPU-${UUID}`), minor: present(1) },
  { pci: '0000:3c:00', model: present('A100'), uuid: missing('uninitialized'), minor: present(2) },
];

test.each([
  [`GPU-${UUID}`, { gpuUuid: `GPU-${UUID}` }],
  [`GPU-${UUID}::3`, { gpuUuid: `GPU-${UUID}`, replica: 3 }],
  [`MIG-${UUID}`, { migUuid: `MIG-${UUID}` }],
  [`MIG-${UUID}::0`, { migUuid: `MIG-${UUID}`, replica: 0 }],
  [`MIG-GPU-${UUID}/7/0`, { gpuUuid: `GPU-${UUID}`, gpuInstance: 7 }],
  ['nvidia1', { minor: 1, gpuUuid: `GPU-${UUID}` }],
  ['nvidia2', { minor: 2 }],
  ['nvidia1/gi3', { minor: 1, gpuUuid: `GPU-${UUID}`, gpuInstance: 3 }],
  ['nvidia1/vgpu2', { minor: 1, gpuUuid: `GPU-${UUID}`, replica: 2 }],
  ['nvidia1/gi3/vgpu0', { minor: 1, gpuUuid: `GPU-${UUID}`, gpuInstance: 3, replica: 0 }],
  ['gpu-1', { minor: 1, gpuUuid: `GPU-${UUID}` }],
  ['gpu-1-mig-1g10gb-19-0', { minor: 1, gpuUuid: `GPU-${UUID}` }],
  ['nvidia-uvm', {}],
  ['rdma_shared_0', {}],
])('%s', (id, ref) => {
  expect(deviceRef(id, GPUS)).toEqual({ id, ...ref });
});
