import type { Action } from '../contract/finding.ts';

/**
 * NVIDIA's action words, each mapped once to ours.
 *
 * The workflow words stand for a decision that needs the line; this is what holds until a decoder
 * has read it. RESTART_VM is the guest's reboot: for us the node. CHECK_MECHANICALS is about power
 * cables. CONTACT_SUPPORT on an `Unused` row is a default and no verdict: such rows are never
 * critical. XID_154_EVAL is what an XID 154 of the same GPU says, and RESTART_APP where there is none.
 * Words: NVIDIA Xid catalogue, edition 610.
 */
export const ACTION_OF = {
  IGNORE: 'none',
  RESTART_APP: 'restart_app',
  RESET_GPU: 'reset_gpu',
  RESTART_BM: 'reboot_node',
  RESTART_VM: 'reboot_node',
  CONTACT_SUPPORT: 'contact_support',
  UPDATE_SWFW: 'fix_configuration',
  CHECK_MECHANICALS: 'fix_configuration',
  CHECK_UVM: 'watch',
  WORKFLOW_XID_45: 'none',
  WORKFLOW_XID_48: 'reset_gpu',
  WORKFLOW_NVLINK_ERR: 'reset_gpu',
  WORKFLOW_NVLINK5_ERR: 'watch',
  XID_154: 'none',
  XID_154_EVAL: 'restart_app',
} as const satisfies Record<string, Action>;

export const NVIDIA_ACTIONS = [
  'IGNORE',
  'RESTART_APP',
  'RESET_GPU',
  'RESTART_BM',
  'RESTART_VM',
  'CONTACT_SUPPORT',
  'UPDATE_SWFW',
  'CHECK_MECHANICALS',
  'CHECK_UVM',
  'WORKFLOW_XID_45',
  'WORKFLOW_XID_48',
  'WORKFLOW_NVLINK_ERR',
  'WORKFLOW_NVLINK5_ERR',
  'XID_154',
  'XID_154_EVAL',
] as const satisfies readonly (keyof typeof ACTION_OF)[];

interface RecoveryAction {
  readonly name: string;
  readonly action: Action;
  readonly advice: string;
}

/**
 * Driver code of a recovery action (XID 154; NVML field 230) to its name, ours, and the next step.
 * nvml.h: nvmlDeviceGpuRecoveryAction_t, 6 and 7 in newer headers.
 */
export const RECOVERY_ACTIONS: readonly RecoveryAction[] = [
  { name: 'None', action: 'none', advice: 'Nothing to do; check that the GPU works.' },
  { name: 'GPU Reset Required', action: 'reset_gpu', advice: 'Drain the GPU and reset it.' },
  { name: 'Node Reboot Required', action: 'reboot_node', advice: 'Drain and reboot the node.' },
  {
    name: 'Drain P2P',
    action: 'drain',
    advice: 'Stop the work that uses this GPU over NVLink or peer-to-peer.',
  },
  {
    name: 'Drain and Reset',
    action: 'drain_and_reset',
    advice: 'Let the jobs on the GPU end, then reset it.',
  },
  {
    name: 'Recover IMEX Domain',
    action: 'fix_configuration',
    advice: 'Recover the IMEX domain: restart nvidia-imex on its nodes.',
  },
  {
    name: 'Bus Reset',
    action: 'reset_gpu',
    advice: "Drain the GPU and reset its PCIe bus; reboot the node where that can't be done.",
  },
  { name: 'System Reboot', action: 'reboot_node', advice: 'Drain and reboot the node.' },
];
