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
export const OPEN_MODULES = ours({
  action: 'fix_configuration',
  severity: 'critical',
  blame: 'configuration',
  title: 'GPU needs the open kernel modules',
  meaning: 'The proprietary kernel modules are loaded, and they start no GPU of this generation.',
  advice:
    'Install the open kernel modules of the same driver version (in the GPU operator kernelModuleType: open), and reboot.',
});
/** NV_ERR_INSUFFICIENT_POWER of RmInitNvDevice (osinit.c); the same as XID 54. */
export const POWER_CABLES = ours({
  action: 'fix_configuration',
  severity: 'critical',
  blame: 'hardware',
  title: 'GPU lacks its power cables',
  meaning: 'The board senses no power on its own connectors, so the driver does not start it.',
  advice:
    'Drain the node, power it off, and connect or reseat the power cables of the GPU; look at the power supply if they are seated.',
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
export const REBOOT_REQUIRED = ours({
  action: 'reboot_node',
  severity: 'critical',
  blame: 'driver',
  confidence: 'high',
  title: 'Driver asks for a reboot of the node',
  meaning:
    'The unified memory driver met a fatal error that it cannot recover from: new CUDA work fails on all GPUs of the node.',
  advice: 'Drain and reboot the node; look at the XIDs before it for what began it.',
});
export const RESET_REQUIRED = ours({
  action: 'reset_gpu',
  severity: 'critical',
  blame: 'driver',
  title: 'GPU needs a reset',
  meaning: 'The driver has marked the GPU for a reset and refuses work on it until then.',
  advice: 'Drain the GPU and reset it; reboot the node if the reset hangs.',
});
export const WATCHDOG = ours({
  action: 'reset_gpu',
  severity: 'critical',
  blame: 'driver',
  title: 'GPU is probably hung',
  meaning: "The driver's watchdog got no answer from the GPU within its limit.",
  advice: 'End the work on the GPU; reset it if the message goes on, and look for its XIDs.',
});
export const GSP_CRASHED = ours({
  action: 'reset_gpu',
  severity: 'critical',
  blame: 'driver',
  title: "GPU's system processor crashed",
  meaning: 'The firmware on the GPU (GSP) crashed and left a report in the kernel log.',
  advice: 'Collect nvidia-bug-report, then drain the GPU and reset it.',
});
export const GSP_SILENT = ours({
  action: 'reset_gpu',
  severity: 'critical',
  blame: 'driver',
  title: "GPU's system processor does not answer",
  meaning: 'The firmware on the GPU (GSP) gave no sign of life within its limit.',
  advice: 'Drain the GPU and reset it; reboot the node if the reset hangs.',
});
export const GSP_UNANSWERED = ours({
  action: 'reset_gpu',
  severity: 'warning',
  blame: 'driver',
  title: "Call to the GPU's system processor was not answered",
  meaning: 'The driver waited in vain for an answer of the firmware on the GPU (GSP).',
  advice: 'Look for XID 119 or 120 of the same GPU; drain and reset it if calls go on failing.',
});
export const PMU_HALTED = ours({
  action: 'reset_gpu',
  severity: 'critical',
  blame: 'driver',
  title: "GPU's power controller halted",
  meaning: "The GPU's power management controller (PMU) stopped, as XID 62 says with a number.",
  advice:
    'Drain the GPU and reset it; open an NVIDIA case with nvidia-bug-report if it comes back.',
});
export const FIRMWARE_BOOT = ours({
  action: 'reset_gpu',
  severity: 'critical',
  blame: 'hardware',
  title: 'Firmware of the GPU did not boot',
  meaning: "The GPU's own boot (GFW or FSP) did not finish, so that no driver can use it.",
  advice:
    'Reset the GPU or reboot the node; power-cycle the node if it fails again, then open an NVIDIA case.',
});
export const FIRMWARE_FILES = ours({
  action: 'fix_configuration',
  severity: 'critical',
  blame: 'configuration',
  title: 'Firmware files of the driver are missing',
  meaning: "The driver found no firmware for the GPU's system processor, or none of its version.",
  advice:
    'Install the firmware package of this driver version (/lib/firmware/nvidia) and reload it.',
});
export const RESUME_FAILED = ours({
  action: 'reset_gpu',
  severity: 'critical',
  blame: 'driver',
  title: 'GPU did not come back from a power state',
  meaning:
    'The driver could not wake the GPU from suspend or a low-power state, or not put it there.',
  advice: 'Reset the GPU or reboot the node; disable runtime power management if it comes back.',
});
export const NO_GPU = ours({
  action: 'fix_configuration',
  severity: 'warning',
  blame: 'configuration',
  title: 'Driver found no GPU that it may take',
  meaning: 'The driver was loaded and has no GPU: none is on the bus, or others hold them.',
  advice:
    'Look with lspci -nnk for the GPUs and who drives them (nouveau, vfio-pci), and whether this driver supports them.',
});
export const PCI_RESOURCES = ours({
  action: 'fix_configuration',
  severity: 'critical',
  blame: 'configuration',
  title: 'PCI resources of a GPU are invalid',
  meaning: 'The firmware or the kernel gave a GPU no usable memory window or interrupt.',
  advice:
    "Enable 'Above 4G decoding' in the BIOS, give the VM enough MMIO space, and look for who claims the region.",
});
export const INTERRUPTS = ours({
  action: 'watch',
  severity: 'warning',
  blame: 'driver',
  title: 'Interrupts that the driver does not handle',
  meaning: 'Many interrupts came that the driver knows no source of.',
  advice: 'Watch it; look at the driver version if the GPU is slow.',
});
export const MODULE_REFUSED = ours({
  action: 'fix_configuration',
  severity: 'critical',
  blame: 'configuration',
  confidence: 'high',
  title: 'Kernel refuses the driver module',
  meaning: 'The NVIDIA module was built for another kernel or lacks what it needs of it.',
  advice: 'Build or install the driver for the running kernel (uname -r), then load it.',
});
export const NVLINK_DEGRADED = ours({
  action: 'reset_gpu',
  severity: 'critical',
  blame: 'fabric',
  title: 'NVLink of a GPU works in degraded mode',
  meaning: 'The driver could not recover the NVLink connections of a GPU and runs without them.',
  advice: 'Drain the node and reset the GPUs of the fabric together; look at their XIDs and SXids.',
});
