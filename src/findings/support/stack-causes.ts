import type { StackPod } from '../../contract/cluster-view.ts';
import type { Evidence } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import type { STACK_CAUSES } from '../../contract/stack-log.ts';
import { plainText } from '../../contract/untrusted.ts';

interface Words {
  /** Behind the colon of a title. */
  readonly is: string;
  readonly advice: string;
}

/** What a cause in the log of the GPU stack means, and what is to be done about it. */
export const STACK_WORDS: Readonly<Record<(typeof STACK_CAUSES)[number], Words>> = {
  'disk-full': {
    is: 'no space is left on its disk',
    advice: 'Free space on the node, where images and containers lie, then delete the pod.',
  },
  signature: {
    is: 'the kernel refuses its module, which no key of Secure Boot has signed',
    advice:
      'Use precompiled driver images, whose modules are signed, enrol the key that signed it (mokutil --import), or turn Secure Boot off.',
  },
  nouveau: {
    is: 'the nouveau driver holds the GPUs',
    advice: 'Blacklist nouveau (modprobe.d and the initramfs) and reboot the node.',
  },
  'in-use': {
    is: 'the driver that is loaded is in use and cannot be replaced',
    advice:
      'End what holds GPUs on this node: pods, and services of the host as DCGM, nvidia-persistenced or a display; get_gpu_processes names them. Else reboot it.',
  },
  network: {
    is: 'the package repositories cannot be reached',
    advice:
      'Look at proxy, certificates and DNS of the driver pod (driver.env, driver.certConfig, driver.repoConfig of the ClusterPolicy; of the network’s driver, ofedDriver of the NicClusterPolicy), or use precompiled images.',
  },
  headers: {
    is: 'no headers of the node’s kernel are found',
    advice:
      'Offer the headers of the running kernel: by a kernel that its repositories still have, a mirror (driver.repoConfig), an entitlement (RHEL), or precompiled images.',
  },
  compiler: {
    is: 'its compiler is not that of the kernel',
    advice: 'Choose an image with the compiler of the kernel, or a precompiled one.',
  },
  build: {
    is: 'its module does not build for this kernel',
    advice: 'Choose a version of it that supports the kernel of the node, or another kernel.',
  },
  'module-load': {
    is: 'the kernel does not load its module',
    advice:
      'Compare with what the kernel says at that moment (dmesg | grep NVRM): a GPU that this driver does not support, or that another driver holds, or a module of another kernel.',
  },
  'pre-installed': {
    is: 'the host has a driver of its own',
    advice:
      'Leave one of both: set driver.enabled=false in the ClusterPolicy, or remove the driver of the host.',
  },
  'mig-in-use': {
    is: 'a process still holds a GPU that is to be changed',
    advice:
      'End what holds GPUs on this node, also DCGM, its exporter and services of the host (get_gpu_processes names them), then set the label nvidia.com/mig.config anew.',
  },
  'mig-profile': {
    is: 'no configuration of that name is in its file',
    advice:
      'Compare the label nvidia.com/mig.config with the names in the ConfigMap of the MIG manager (migManager.config of the ClusterPolicy).',
  },
  'mig-reset': {
    is: 'the GPUs could not be reset',
    advice:
      'Where a guest may not reset its GPUs, or a reset fails, MIG mode changes with a restart of the machine: of the virtual one from its host.',
  },
  'no-driver': {
    is: 'it finds no NVIDIA driver in its container',
    advice:
      'Look whether the driver is loaded on the node, and whether its pod has the runtime class nvidia and the runtime is set up (nvidia-ctk runtime configure).',
  },
  'runtime-restart': {
    is: 'the container runtime cannot be made to read its new configuration',
    advice:
      'Look whether socket and configuration that the toolkit is given are those of the node’s runtime (CONTAINERD_SOCKET, CONTAINERD_CONFIG in toolkit.env of the ClusterPolicy): K3s, RKE2, k0s and MicroK8s have them in places of their own.',
  },
  'network-in-use': {
    is: 'the network’s driver that is loaded is in use and cannot be replaced',
    advice:
      'End the programs that hold it (fuser -v /dev/infiniband/*), and have the modules on top of it unloaded: UNLOAD_STORAGE_MODULES and UNLOAD_THIRD_PARTY_RDMA_MODULES in ofedDriver.env of the NicClusterPolicy.',
  },
  'peermem-load': {
    is: 'the kernel does not load nvidia_peermem',
    advice:
      'It needs the RDMA modules of DOCA-OFED, loaded before it. With the open kernel module do without it: RDMA takes GPU memory by dma-buf there.',
  },
  'helper-load': {
    is: 'the kernel does not load its module',
    advice:
      'Compare with what the kernel says at that moment (dmesg): a module of another kernel, or of another driver.',
  },
  'version-mismatch': {
    is: 'library and kernel module of the driver are of different versions',
    advice:
      'Drain the node and reboot it, or unload the old module: an upgrade has replaced the files and not what is loaded.',
  },
  'gpus-lost': {
    is: 'NVML answers it “Unknown Error”, as in a container that has lost its devices',
    advice:
      'Delete the pod, so that it is created anew. A systemctl daemon-reload takes devices from containers (NVIDIA/nvidia-container-toolkit#48).',
  },
  'not-initialized': {
    is: 'CUDA finds the GPUs not ready, as before Fabric Manager has set up NVLink',
    advice:
      'On a machine with NVSwitch look at Fabric Manager: whether it runs, and whether it is of the version of the driver. The findings of this node on fabric and daemons say what was read.',
  },
  'driver-root': {
    is: 'it finds no driver under the root that it is given',
    advice:
      'Set nvidiaDriverRoot of its chart to where the driver is: /run/nvidia/driver of GPU Operator, / of a driver of the host; if that is right, the driver is not there yet.',
  },
  configuration: {
    is: 'its configuration is none that it can use',
    advice:
      'Compare the label nvidia.com/device-plugin.config of this node with the entries of the ConfigMap that devicePlugin.config of the ClusterPolicy (config of the chart) names, and that entry with what the line says.',
  },
  mps: {
    is: 'the MPS control daemon does not serve it',
    advice:
      'Look at the pod of the MPS control daemon on this node: without it no GPU that is shared by MPS is registered.',
  },
  'none-registered': {
    is: 'the node offers no GPU: the device plugin has registered none',
    advice:
      'Look at the device plugin of this node: that it runs, which strategy and configuration it has, and what its log says of devices.',
  },
  'host-engine': {
    is: 'the DCGM host engine that it is to ask does not answer',
    advice:
      'Look at the pod nvidia-dcgm of this node, or at nv-hostengine of the host, and at the address that DCGM_REMOTE_HOSTENGINE_INFO gives.',
  },
  'address-in-use': {
    is: 'another program of the node has its port',
    advice:
      'Find that program (ss -ltnp): a second exporter, or a daemon that also runs on the host, as nvidia-imex.',
  },
};

/** What the log of a pod of NVIDIA's software says, where it was read. */
export function logEvidence(pod: StackPod): Evidence[] {
  const log = known(pod.log);
  if (!log || log.text === '') return [];
  const run = log.previous ? ' of the run before' : '';
  const named = log.cause === undefined ? 'its log ends' : 'its log says';
  return [
    {
      what: `${named}: "${plainText(log.text, 200)}"`,
      source: `log of container ${plainText(log.container, 64)}${run}, ${log.lines} lines`,
      ...optional({ time: log.at }),
      command:
        shell`kubectl logs -n ${pod.namespace} ${pod.name} -c ${log.container}` +
        (log.previous ? ' --previous' : ''),
    },
  ];
}
