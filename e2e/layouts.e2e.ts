import { dirname } from 'node:path';
import { afterEach, expect, inject, test } from 'vitest';
import type { ClusterNode } from './cluster/cluster.ts';
import { machineFile } from './machines.ts';
import { cluster, kubectl, leftAfterTenSeconds, withImage } from './plugin.ts';

const NODE = 'node-b';
const NAME = 'libnvidia-ml.so.1';
const GKE = 'cloud.google.com/gke-accelerator';
const OPERATOR = 'nvidia.com/gpu.deploy.driver';

interface Layout {
  readonly name: string;
  /** The library's folder on the node. */
  readonly folder: string;
  /** What applications open, where that is a link to the library. */
  readonly link?: string;
  /** The label by which the pod is given the mount. */
  readonly label?: string;
  readonly files?: Readonly<Record<string, string>>;
}

const LAYOUTS: readonly Layout[] = [
  { name: 'Ubuntu, Debian, AKS', folder: '/usr/lib/x86_64-linux-gnu' },
  { name: 'Debian’s own package', folder: '/usr/lib/x86_64-linux-gnu/nvidia/current' },
  { name: 'RHEL, RHCOS, AL2023, Azure Linux', folder: '/usr/lib64' },
  { name: 'COS', folder: '/home/kubernetes/bin/nvidia/lib64', label: GKE },
  { name: 'Bottlerocket', folder: '/usr/lib/nvidia/tesla' },
  { name: 'Talos', folder: '/usr/local/lib' },
  { name: 'Talos before 2026', folder: '/usr/local/glibc/usr/lib' },
  {
    name: 'an absolute link, which in the pod would lead into the pod',
    folder: '/usr/share/nvidia-570',
    link: `/usr/lib64/${NAME}`,
  },
  {
    name: 'gpu-operator’s driver container',
    folder: '/run/nvidia/driver/usr/lib/x86_64-linux-gnu',
    label: OPERATOR,
  },
  {
    name: 'gpu-operator with a driver root of its own',
    folder: '/run/nvidia/other/usr/lib64',
    label: OPERATOR,
    files: {
      '/run/nvidia/validations/driver-ready':
        'IS_HOST_DRIVER=false\nNVIDIA_DRIVER_ROOT=/run/nvidia/other\n',
    },
  },
];

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

test.each(LAYOUTS)('$name: the node’s own library is found', async layout => {
  const node = cluster().nodes.find(({ name }) => name === NODE);
  if (!node) throw new Error(`there is no ${NODE} in the e2e cluster`);
  await put(node, layout);
  const ran = await kubectl(withImage('call', NODE, 'get_gpu_inventory', '-o', 'json'));
  expect(ran.code, ran.stderr).toBe(0);
  expect(JSON.parse(ran.stdout)).toMatchObject({
    gpuCount: 8,
    simulated: false,
    host: { library: `${layout.folder}/${NAME}` },
  });
  expect(await leftAfterTenSeconds()).toEqual([]);
});

/** Lays the driver out on the node; afterEach takes it away again. */
async function put(node: ClusterNode, { folder, link, label, files = {} }: Layout): Promise<void> {
  const made = [`${folder}/${NAME}`, `${folder}/sim-nvml.machine`, ...Object.keys(files)];
  undo.push(() => node.exec(['rm', '-f', ...made, ...(link === undefined ? [] : [link])]));
  node.writeFile(`${folder}/${NAME}`, { copyOf: inject('library') });
  node.writeFile(`${folder}/sim-nvml.machine`, machineFile('dgx-h100'));
  for (const [path, text] of Object.entries(files)) node.writeFile(path, text);
  if (link !== undefined) {
    await node.exec(['mkdir', '-p', dirname(link)]);
    await node.exec(['ln', '-sfn', `${folder}/${NAME}`, link]);
  }
  if (label === undefined) return;
  undo.push(() => kubectl(['label', 'node', NODE, `${label}-`]));
  const labelled = await kubectl(['label', 'node', NODE, '--overwrite', `${label}=true`]);
  expect(labelled.code, labelled.stderr).toBe(0);
}
