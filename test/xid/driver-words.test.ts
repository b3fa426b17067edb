import { describe, expect, test } from 'vitest';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { parseMessage } from '../../src/xid/parse.ts';
import { record } from './fixtures.ts';

const incidentsOf = (text: string) => {
  const analysis = createAnalysis();
  for (const [index, line] of text.split('\n').entries()) analysis.see(record(line, index + 1));
  return analysis.finish().incidents;
};

// Forms of open-gpu-kernel-modules 595.45.04 with values of real logs; a thread where one is public.
test.each([
  // github.com/NVIDIA/open-gpu-kernel-modules/issues/688
  [
    'NVRM: nvAssertOkFailedNoLog: Assertion failed: GPU lost from the bus [NV_ERR_GPU_IS_LOST] (0x0000000F) returned from rmStatus @ kernel_ce_gv100.c:106',
    'gpu_lost',
    'reboot_node',
  ],
  [
    'NVRM: GPU0 nvCheckOkFailedNoLog: Check failed: GPU lost from the bus [NV_ERR_GPU_IS_LOST] (0x0000000F) returned from kgspWaitForRmInitDone(pGpu, pKernelGsp) @ kernel_gsp.c:4860',
    'gpu_lost',
    'reboot_node',
  ],
  ['NVRM: GPU is lost, skipping nvidia_ioctl', 'gpu_lost', 'reboot_node'],
  [
    'NVRM: nvAssertOkFailedNoLog: Assertion failed: Reset required [NV_ERR_RESET_REQUIRED] (0x00000062) returned from status @ kernel_gsp.c:4871',
    'gpu_reset_required',
    'reset_gpu',
  ],
  [
    'NVRM: GPU0 nvAssertFailedNoLog: Assertion failed: GPU marked for reset @ gpu.c:2607',
    'gpu_reset_required',
    'reset_gpu',
  ],
  [
    'NVRM: kgspWaitForGfwBootOk_TU102: (the GPU may be in a bad state and may need to be reset)',
    'gpu_reset_required',
    'reset_gpu',
  ],
  [
    'NVRM: nvGpuOpsReportFatalError: uvm encountered global fatal error 0x60, requiring os reboot to recover.',
    'os_reboot_required',
    'reboot_node',
  ],
  [
    'NVRM: krcWatchdog_IMPL: RC watchdog: GPU is probably locked!  Notify Timeout Seconds: 7',
    'rc_watchdog',
    'reset_gpu',
  ],
  [
    'NVRM: GPU0 krcWatchdog_IMPL: RC watchdog: GPU is probably locked!  Notify Timeout Seconds: 7',
    'rc_watchdog',
    'reset_gpu',
  ],
  ['NVRM: _kgspRpcRecvPoll: GSP RM heartbeat timed out', 'gsp_silent', 'reset_gpu'],
  ['NVRM: _kgspRpcRecvPoll: LibOS heartbeat timed out', 'gsp_silent', 'reset_gpu'],
  [
    'NVRM: GPU6 _kgspIsHeartbeatTimedOut: Heartbeat timed out, currentTimeMs 812751949 heartbeat 1899482 heartbeatWithOffsetMs 812745879 diff 6070 timeout 5200',
    'gsp_silent',
    'reset_gpu',
  ],
  [
    'NVRM: _issueRpcAndWait: rpcRecvPoll timedout for fn 76 sequence 12!',
    'gsp_unanswered',
    'reset_gpu',
  ],
  ['NVRM: _issueRpcAndWait: rpcRecvPoll timedout for fn 76!', 'gsp_unanswered', 'reset_gpu'],
  [
    'NVRM: _kgspRpcRecvPoll: GPU0 sanity check failed 0x62 waiting for RPC response from GSP. Expected function 76 (GSP_RM_CONTROL) sequence 44 (0x20800a2a 0x8).',
    'gsp_unanswered',
    'reset_gpu',
  ],
  // github.com/NVIDIA/open-gpu-kernel-modules/issues/789
  [
    'NVRM: gpuWaitForGfwBootComplete_TU102: failed to wait for GFW_BOOT: (progress 0x3)',
    'firmware_boot_failed',
    'reset_gpu',
  ],
  [
    'NVRM: kgspWaitForGfwBootOk_TU102: failed to wait for GFW boot complete: 0x65 VBIOS version 94.02.59.00.05',
    'firmware_boot_failed',
    'reset_gpu',
  ],
  [
    'NVRM: gpuWaitForGfwBootComplete_TU102: GSP failed to halt with GFW_BOOT: (progress 0xff)',
    'firmware_boot_failed',
    'reset_gpu',
  ],
  ['NVRM: kfspPollForQueueEmpty_IMPL: FSP command timed out', 'firmware_boot_failed', 'reset_gpu'],
  [
    'NVRM: kgspBootstrap_GH100: FSP boot cmds failed. RM cannot boot.',
    'firmware_boot_failed',
    'reset_gpu',
  ],
  [
    'NVRM: kfspWaitForSecureBoot_GH100: FSP secure boot partition timed out.',
    'firmware_boot_failed',
    'reset_gpu',
  ],
  [
    'NVRM: kgspHealthCheck_TU102: ****************************** GSP-CrashCat Report *******************************',
    'gsp_crashed',
    'reset_gpu',
  ],
  [
    'NVRM: GPU0 _kgspRpcGspEventPmuHalted: Received signal from GSP that PMU has halted.',
    'pmu_halted',
    'reset_gpu',
  ],
  [
    'NVRM: gpuPowerManagementResumePreLoadPhysical: GSP boot failed at resume (bootMode 0x1): 0x62',
    'resume_failed',
    'reset_gpu',
  ],
  [
    'NVRM: The NVIDIA GPU 0000:02:00.0 (PCI ID: 10de:2c31)\nNVRM: installed in this system requires use of the NVIDIA open kernel modules.',
    'open_modules_needed',
    'fix_configuration',
  ],
  [
    'NVRM: installed in this system requires use of the NVIDIA open kernel modules.',
    'open_modules_needed',
    'fix_configuration',
  ],
  [
    'NVRM: GPU 0000:13:00.0: GPU does not have the necessary power cables connected.',
    'power_cables',
    'fix_configuration',
  ],
  ['NVRM: RmInitAdapter: Cannot initialize GSP firmware RM', 'rm_init_words', 'reset_gpu'],
  ['NVRM: No NVIDIA graphics adapter probed!', 'no_gpu_found', 'fix_configuration'],
  ['NVRM: No NVIDIA GPU found.', 'no_gpu_found', 'fix_configuration'],
  ['NVRM: None of the NVIDIA devices were initialized.', 'probe_failed', 'reboot_node'],
  [
    'NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:',
    'pci_resources',
    'fix_configuration',
  ],
  ['NVRM: RmFetchGspRmImages: No firmware image found', 'firmware_files', 'fix_configuration'],
  [
    'NVRM: knvlinkCoreShutdownDeviceLinks_IMPL: Failed to recover from uncontained NVLINK error. Triggering Degraded Mode!',
    'nvlink_degraded',
    'reset_gpu',
  ],
  // drivers/pci/pci.c, drivers/base/dd.c and kernel/module of Linux.
  [
    'nvidia 0000:01:00.0: Unable to change power state from D3cold to D0, device inaccessible',
    'pci_inaccessible',
    'reboot_node',
  ],
  [
    'nvidia 0000:01:00.0: not ready 65535ms after resume; giving up',
    'pci_inaccessible',
    'reboot_node',
  ],
  [
    "nvidia 0000:03:00.0: AER: can't recover (no error_detected callback)",
    'aer_unrecovered',
    'reboot_node',
  ],
  ['nvidia: probe of 0000:01:00.0 failed with error -1', 'probe_failed', 'reboot_node'],
  [
    'nvidia 0000:01:00.0: probe with driver nvidia failed with error -1',
    'probe_failed',
    'reboot_node',
  ],
  [
    "nvidia: version magic '6.8.0-45-generic SMP mod_unload' should be '6.8.0-47-generic SMP mod_unload'",
    'module_refused',
    'fix_configuration',
  ],
])('%s', (text, kind, action) => {
  expect(parseMessage(text)).toMatchObject({ kind, role: 'event' });
  const [incident, ...others] = incidentsOf(text);
  expect(others).toEqual([]);
  expect(incident).toMatchObject({ root: { kind }, action });
  expect(incident?.severity).toMatch(/critical|warning/);
});

test('proprietary modules that start no such GPU are told, and no lost GPU', () => {
  // Public logs of RTX 50 and RTX PRO machines; the message takes two lines.
  const [incident, ...others] = incidentsOf(
    [
      'NVRM: The NVIDIA GPU 0000:02:00.0 (PCI ID: 10de:2c31) installed in this system requires use of the NVIDIA open kernel modules.',
      'NVRM: GPU 0000:02:00.0: RmInitAdapter failed! (0x22:0x56:1017)',
      'NVRM: GPU 0000:02:00.0: rm_init_adapter failed, device minor number 0',
    ].join('\n'),
  );
  expect(incident).toMatchObject({ action: 'fix_configuration', blame: 'configuration' });
  expect(others).toEqual([]);
});

test('an address in the words names the GPU', () => {
  expect(parseMessage('NVRM: GPU at 0000:06:00.0 has fallen off the bus.')).toMatchObject({
    kind: 'gpu_lost',
    pci: '0000:06:00',
  });
});

describe('what stays quiet', () => {
  test.each([
    'NVRM: GPU0 nvAssertFailedNoLog: Assertion failed: (status == NV_OK) || (status == NV_ERR_GPU_IN_FULLCHIP_RESET) @ mem.c:178',
    'NVRM: GPU0 nvAssertOkFailedNoLog: Assertion failed: Out of memory [NV_ERR_NO_MEMORY] (0x00000051) returned from status @ mapping_reuse.c:273',
    'NVRM: Ignoring probe for VF 0000:3b:00.4 because PF driver is loaded',
    'NVRM: Aborting probe for VF 0000:3b:00.4 since PF is not bound to nvidia driver.',
    'NVRM: GPU0 _kgspProcessRpcEvent: Attempted to process RPC event from GPU0: 0x1004 (RC_TRIGGERED) during bootup without API lock',
    'NVRM: _issueRpcAndWait: rpcSendMessage failed with status 0x0000000f for fn 76!',
    'NVRM: _kgspRpcRecvPoll: Slow RPC response from GPU0 GSP (4200000us). Function 76 (GSP_RM_CONTROL) sequence 9 (0x20801702 0x4).',
    'NVRM: A GPU crash dump has been created. If possible, please run',
    'nvidia 0000:02:00.0: device has no AER-aware driver',
    'pcieport 0000:00:1d.0: Unable to change power state from D3cold to D0, device inaccessible',
    'nvidia 0000:01:00.0: not ready 1023ms after resume; waiting',
  ])('%s', text => {
    expect(incidentsOf(text)).toEqual([]);
  });
});

describe('the host’s own events are lines of the timeline and no incident', () => {
  test.each([
    ['pcieport 0000:00:01.4: DPC: containment event, status:0x1f01 source:0x0000', 'dpc'],
    [
      'pcieport 0000:00:01.0: DPC: containment event, status:0x000d, ERR_FATAL received from 0000:02:00.0',
      'dpc',
    ],
    ['pcieport 0000:00:07.0: pciehp: Slot(0): Link Down', 'slot_down'],
    ['pcieport 0000:40:01.1: pciehp: Slot(12-1): Card not present', 'slot_down'],
    [
      'mlx5_core 0000:5c:00.0: mlx5_pcie_event:299:(pid 268269): Detected insufficient power on the PCIe slot (27W).',
      'nic_power',
    ],
    [
      'mlx5_core 0000:41:00.1: temp_warn:170:(pid 0): High temperature on sensors with bit set 0 1',
      'nic_temperature',
    ],
    ['mlx5_core 0000:61:00.0: poll_health:825:(pid 0): Fatal error 3 detected', 'nic_health'],
    [
      'mlx5_core 0000:c1:00.0: mlx5_cmd_out_err:838:(pid 3151): ACCESS_REG(0x805) op_mod(0x1) failed, status bad parameter(0x3), syndrome (0x15c356), err(-22)',
      'nic_register',
    ],
    ['Kernel panic - not syncing: Fatal exception in interrupt', 'panic'],
    ['nvme nvme9: I/O 192 QID 5 timeout, reset controller', 'disk_stalled'],
    [
      'nvme nvme0: I/O tag 12 (400c) opcode 0x9 (Admin Cmd) QID 0 timeout, reset controller',
      'disk_stalled',
    ],
    [
      'nvme nvme0: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0x10',
      'disk_stalled',
    ],
    ['EXT4-fs (dm-17): Remounting filesystem read-only', 'filesystem_stopped'],
    [
      'XFS (dm-0): Corruption of in-memory data (0x8) detected at xfs_defer_finish_noroll (fs/xfs/libxfs/xfs_defer.c:573).  Shutting down filesystem.',
      'filesystem_stopped',
    ],
    ['nfs: server 10.100.0.60 not responding, still trying', 'nfs_stalled'],
  ])('%s', (text, kind) => {
    expect(parseMessage(text)).toMatchObject({ kind, role: 'background' });
    expect(incidentsOf(text)).toEqual([]);
  });
});
