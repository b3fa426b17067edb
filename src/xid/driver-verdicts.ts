import { note, ours } from './plain-verdict.ts';

/** Our verdicts on driver messages that carry no number. */

export const LOST = ours({
  action: 'reboot_node',
  severity: 'critical',
  blame: 'hardware',
  confidence: 'high',
  title: 'GPU has fallen off the bus',
  meaning: 'The GPU no longer answers on PCIe.',
  advice:
    'Drain and reboot the node; power-cycle it if the GPU stays away, then check power, seating and temperature.',
});
export const UNSUPPORTED = ours({
  action: 'fix_configuration',
  severity: 'warning',
  blame: 'configuration',
  title: 'GPU not supported by this driver',
  meaning: 'The driver that is loaded does not support this GPU.',
  advice: 'Install a driver (open or proprietary modules) that supports the GPU.',
});
export const INIT_FAILED = ours({
  action: 'reset_gpu',
  severity: 'critical',
  blame: 'driver',
  title: 'GPU could not be initialized',
  meaning: 'The driver failed to start the GPU; each attempt to open it prints this again.',
  advice: 'Reset the GPU or reboot the node; open an NVIDIA case if it fails again.',
});
export const GSP_BOOT = ours({
  action: 'reset_gpu',
  severity: 'critical',
  blame: 'driver',
  title: "GPU's system processor could not boot",
  meaning: 'The firmware of the GPU could not start, because the GPU is in a bad state.',
  advice: 'Reset the GPU; reboot the node if that fails.',
});
export const GSP_DETAIL = note('GSP detail', "A detail of the GPU's system processor.");
export const MISMATCH = ours({
  action: 'fix_configuration',
  severity: 'warning',
  blame: 'configuration',
  confidence: 'high',
  title: 'Driver libraries and kernel module differ',
  meaning: 'A program came with driver libraries of another version than the loaded module.',
  advice: 'Reload the module or reboot after an upgrade, so that both have one version.',
});
export const PROBE = ours({
  action: 'reboot_node',
  severity: 'critical',
  blame: 'driver',
  title: 'Driver could not take over a GPU',
  meaning: 'The driver found a GPU and failed to start it.',
  advice: 'Read the lines before it; reboot or power-cycle the node if the GPU is lost.',
});
export const NOT_CALLED = ours({
  action: 'fix_configuration',
  severity: 'warning',
  blame: 'configuration',
  title: 'Another driver holds a GPU',
  meaning: 'Another driver, such as nouveau or vfio-pci, owns a GPU.',
  advice: 'Unbind or blacklist the other driver, if this node is to use the GPU itself.',
});
export const NVLINK_DRIVER = ours({
  action: 'watch',
  severity: 'warning',
  blame: 'fabric',
  confidence: 'low',
  title: 'NVLink not set up',
  meaning: 'The driver could not ask for the state of the NVLink connections.',
  advice: 'Check Fabric Manager and the fabric state of the GPUs.',
});
