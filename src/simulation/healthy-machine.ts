import { type GpuType, gpuType, pidOf } from './gpu-types.ts';
import { hexOf } from './hex.ts';

/** A machine of one type, healthy and under full load, as a file would tell it. */
export function healthyFile(name: string): unknown {
  const type = gpuType(name);
  const folder = type.arm ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const gpuNodes = type.pci.map((_, index) => `nvidia${index}`);
  const switchNodes = type.switches.map((_, index) => `nvidia-nvswitch${index}`);
  const node = (index: number, of: number) => (index < of / 2 ? 0 : type.cpus.length - 1);
  return {
    title: type.title,
    gpuType: name,
    library: `/usr/lib/${folder}/libnvidia-ml.so.${type.driver}`,
    driver: {
      answers: {
        systemGetDriverVersion: type.driver,
        systemGetNVMLVersion: `${Math.floor(type.cuda / 1000)}.${type.driver}`,
        systemGetCudaDriverVersion: type.cuda,
      },
    },
    gpus: type.pci.map(() => ({})),
    host: {
      hostname: `${name}-01`,
      bootId: hexOf(name, 32),
      uptimeSeconds: 1_814_400,
      kernel: type.arm ? '6.8.0-1028-nvidia-64k' : '5.15.0-1063-nvidia',
      os: type.arm ? 'Ubuntu 24.04.2 LTS' : 'Ubuntu 22.04.5 LTS',
      module: { version: type.driver, kind: type.module },
      deviceNodes: [
        ...gpuNodes,
        ...['nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools', 'nvidia-modeset'],
        ...(type.switches.length > 0 ? ['nvidia-nvswitchctl', ...switchNodes] : []),
      ],
      processes: Object.fromEntries(type.pci.map((_, index) => [pidOf(index), 'pt_main_thread'])),
      daemons: daemonsOf(type),
      pci: [
        ...type.pci.map((pci, index) => ({
          pci,
          currentLinkSpeed: type.speed,
          maxLinkSpeed: type.speed,
          numaNode: node(index, type.pci.length),
        })),
        ...type.switches.map(pci => ({
          pci,
          kind: 'nvswitch',
          currentLinkSpeed: '2.5 GT/s PCIe',
          currentLinkWidth: 2,
          maxLinkSpeed: '32.0 GT/s PCIe',
          maxLinkWidth: 2,
        })),
      ],
    },
    kernelLog: {
      reachSeconds: 1_814_400,
      records: 5_213,
      lines: [{ secondsAgo: 1_814_369, level: 5, text: bannerOf(type) }],
    },
  };
}

const bannerOf = ({ driver, module, arm }: GpuType): string =>
  module === 'open'
    ? `NVRM: loading NVIDIA UNIX Open Kernel Module for ${arm ? 'aarch64' : 'x86_64'}  ${driver}  Release Build  (dvs-builder@U22-I3-G01-1-1)`
    : `NVRM: loading NVIDIA UNIX ${arm ? 'aarch64' : 'x86_64'} Kernel Module  ${driver}`;

const daemonsOf = ({ switches, arm }: GpuType) => [
  { kind: 'persistenced', pid: 1_204, name: 'nvidia-persiste' },
  ...(switches.length > 0 ? [{ kind: 'fabric_manager', pid: 1_288, name: 'nv-fabricmanage' }] : []),
  ...(arm ? [{ kind: 'imex', pid: 1_301, name: 'nvidia-imex' }] : []),
];
