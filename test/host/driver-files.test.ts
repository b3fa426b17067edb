import { describe, expect, test } from 'vitest';
import { known, missing, present } from '../../src/contract/reading.ts';
import { cdiSpec, runtimeConfiguration } from '../../src/host/container-toolkit.ts';
import { node } from './tree.ts';

describe('the driver’s files', () => {
  test('parameters and modules', async () => {
    const { driverFiles } = await node({
      'proc/driver/nvidia/params':
        'ResmanDebugLevel: 4294967295\nEnableGpuFirmware: 18\nRegistryDwords: ""\nnot a line\n',
      'proc/modules':
        'nvidia_uvm 4984832 2 - Live 0x0000000000000000 (OE)\next4 1000 1 - Live 0x0\nnvidia 54 137 nvidia_uvm, Unloading 0x0 (OE)\n',
      'sys/module/nvidia/version': '570.124.06\n',
    }).read();
    expect(driverFiles).toMatchObject({
      parameters: present({
        ResmanDebugLevel: '4294967295',
        EnableGpuFirmware: '18',
        RegistryDwords: '""',
      }),
      modules: present([
        { name: 'nvidia_uvm', uses: 2, state: 'live' },
        { name: 'nvidia', uses: 137, state: 'unloading', version: '570.124.06' },
      ]),
      nodes: missing('not_found', 'ENOENT'),
      charLinks: missing('not_found', 'ENOENT'),
    });
  });

  test('a plain file where a device should be is told; links of /dev/char are seen', async () => {
    const { driverFiles } = await node(
      { 'dev/nvidia0': '', 'dev/null': '' },
      { 'dev/char/195:0': '../nvidia0', 'dev/nvidia-caps/nvidia-cap1': '/dev/null' },
    ).read();
    expect(known(driverFiles.nodes)).toMatchObject([
      { name: 'nvidia0', major: missing('unreadable', 'no device') },
      // The machine's own /dev/null stands for a character device: 1, 3.
      {
        name: 'nvidia-caps/nvidia-cap1',
        major: present(1),
        minor: present(3),
        mode: present(0o666),
      },
    ]);
    expect(driverFiles.charLinks).toEqual(present(true));
  });
});

describe('packages of the daemons that have the driver’s version', () => {
  /** As dpkg writes it: gpu-driver-container pull request 200, and Ubuntu's own revisions. */
  const paragraph = (name: string, version: string, state = 'install ok installed') =>
    `Package: ${name}\nStatus: ${state}\nPriority: optional\nArchitecture: amd64\nVersion: ${version}\nDescription: x\n y\n`;
  const WHOLE = { 'host/etc/': '', 'host/proc/': '', 'host/sys/': '', 'host/var/': '' };
  const read = async (...paragraphs: readonly string[]) => {
    const status = `${paragraphs.join('\n')}\n`;
    const { driverFiles } = await node({ ...WHOLE, 'host/var/lib/dpkg/status': status }).read();
    return driverFiles.packages;
  };
  test.each([
    ['nvidia-imex-570', '570.86.15-1', '570.86.15'],
    ['nvidia-fabricmanager', '1:590.48.01-1', '590.48.01'],
    ['nvidia-fabricmanager-550', '550.163.01-0ubuntu0.24.04.1', '550.163.01'],
    ['nvidia-fabricmanager-535', '535.161.08', '535.161.08'],
  ])('%s %s', async (name, version, own) => {
    expect(await read(paragraph('bash', '5.1-6'), paragraph(name, version))).toEqual(
      present([{ name, version: own }]),
    );
  });
  test('what was removed, what is half installed, and others’ packages', async () => {
    expect(
      await read(
        paragraph('nvidia-fabricmanager-535', '535.161.08-1', 'deinstall ok config-files'),
        paragraph('nvidia-imex-570', '570.86.15-1', 'install reinstreq half-installed'),
        paragraph('nvidia-fabricmanager-dev-570', '570.86.15-1'),
        paragraph('nvidia-fabricmanager-570', 'unknown'),
      ),
    ).toEqual(present([]));
  });
  test('where other packages are used there is no such file', async () => {
    const { driverFiles } = await node(WHOLE).read();
    expect(driverFiles.packages).toEqual(missing('not_found', 'ENOENT'));
  });
});

describe('a CDI spec', () => {
  const yaml = `---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
- name: GPU-8c1f9f2e-6a0b-4d7c-8c1f-9f2e6a0b4d7c
- name: all
containerEdits:
  mounts:
  - hostPath: /usr/lib64/libcuda.so.570.124.06
  - hostPath: /usr/lib64/libnvidia-ml.so.570.124.06
  - hostPath: /usr/lib64/libcuda.so.1
`;
  const json = JSON.stringify(
    {
      cdiVersion: '0.5.0',
      kind: 'nvidia.com/gpu',
      devices: [{ name: 'gpu0' }],
      containerEdits: { mounts: [{ hostPath: '/usr/lib64/libcuda.so.535.104.05' }] },
    },
    null,
    2,
  );
  test.each([
    ['YAML', yaml, ['0', 'GPU-8c1f9f2e-6a0b-4d7c-8c1f-9f2e6a0b4d7c', 'all'], ['570.124.06']],
    ['JSON', json, ['gpu0'], ['535.104.05']],
    ['neither', 'what', [], []],
  ])('%s', (form, text, devices, driverVersions) => {
    expect(cdiSpec('/etc/cdi/nvidia.yaml', text)).toEqual({
      path: '/etc/cdi/nvidia.yaml',
      kind: form === 'neither' ? '' : 'nvidia.com/gpu',
      devices,
      driverVersions,
    });
  });
});

describe('what a runtime is told', () => {
  const told = (runtime: 'containerd' | 'cri-o' | 'docker' | 'nvidia_toolkit', text: string) => {
    const { path, runtime: same, ...rest } = runtimeConfiguration({ path: '/x', runtime, text });
    expect([path, same]).toEqual(['/x', runtime]);
    return rest;
  };
  test.each([
    [
      'containerd, version 2',
      'containerd',
      'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  enable_cdi = true\n  [plugins."io.containerd.grpc.v1.cri".containerd]\n    default_runtime_name = "nvidia"\n    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]\n      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]\n        SystemdCgroup = true\n',
      { nvidiaHandler: true, defaultIsNvidia: true, cdiEnabled: true, systemdCgroup: true },
    ],
    [
      'containerd, version 3, nvidia commented out',
      'containerd',
      "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd]\n default_runtime_name = \"runc\"\n# [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nvidia]\n",
      { nvidiaHandler: false, defaultIsNvidia: false },
    ],
    [
      'CRI-O',
      'cri-o',
      '[crio.runtime]\ndefault_runtime = "crun"\n[crio.runtime.runtimes.nvidia]\nruntime_path = "/usr/bin/nvidia-container-runtime"\n',
      { nvidiaHandler: true, defaultIsNvidia: false },
    ],
    [
      'Docker',
      'docker',
      '{"default-runtime":"nvidia","runtimes":{"nvidia":{"path":"x"}},"exec-opts":["native.cgroupdriver=cgroupfs"],"features":{"cdi":true}}',
      { nvidiaHandler: true, defaultIsNvidia: true, cdiEnabled: true, systemdCgroup: false },
    ],
    ['Docker, broken', 'docker', '{', { nvidiaHandler: false }],
  ] as const)('%s', (_, runtime, text, rest) => {
    expect(told(runtime, text)).toEqual(rest);
  });
});
