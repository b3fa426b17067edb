import type { STACK_CAUSES } from '../../contract/stack-log.ts';

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
    advice: 'Choose a driver image with the compiler of the kernel, or a precompiled one.',
  },
  build: {
    is: 'its module does not build for this kernel',
    advice: 'Choose a driver version that supports the kernel of the node, or another kernel.',
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
};
