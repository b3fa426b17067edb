import type { Verdict } from '../../src/contract/finding.ts';

/** The profiles of the mock, each with the simulated type whose host stands around it. */
export const PROFILES = {
  a100: 'a100-sxm4-40gb',
  h100: 'h100-sxm',
  b200: 'b200',
  gb200: 'gb200',
  gb300: 'gb300',
  l40s: 'l40s',
  t4: 't4',
} as const;
export type Profile = keyof typeof PROFILES;
export const PROFILE_NAMES = ['a100', 'h100', 'b200', 'gb200', 'gb300', 'l40s', 't4'] as const;

/**
 * What each healthy profile is to be called. The mock's B200 has neither links nor a fabric, as no
 * board is built, and its Grace boards do not answer the fields of C2C links: both are gaps.
 */
export const HEALTHY: Readonly<Record<Profile, { verdict: Verdict; gap?: RegExp }>> = {
  a100: { verdict: 'healthy' },
  h100: { verdict: 'healthy' },
  b200: { verdict: 'unknown', gap: /NVLink.* not read/ },
  gb200: { verdict: 'unknown', gap: /C2C not read/ },
  gb300: { verdict: 'unknown', gap: /C2C not read/ },
  l40s: { verdict: 'healthy' },
  t4: { verdict: 'healthy' },
};

export interface Case {
  readonly name: string;
  /** Words of nvml-mock-ctl, one command a list. */
  readonly inject: readonly (readonly string[])[];
  /** The finding that tells it, or the gap that does. */
  readonly finding?: RegExp;
  readonly gap?: RegExp;
  /** The least severe that its finding may be. */
  readonly severity?: 'info' | 'warning' | 'critical';
  readonly on?: readonly Profile[];
}

const SWITCHED: readonly Profile[] = ['a100', 'h100', 'gb200', 'gb300'];
const IN_FABRIC: readonly Profile[] = ['h100', 'gb200', 'gb300'];
const WITH_ROWS: readonly Profile[] = ['a100', 'h100', 'b200', 'gb200', 'gb300', 'l40s'];
const STACKED: readonly Profile[] = ['a100', 'h100', 'b200', 'gb200', 'gb300'];

const set = (gpu: string, ...pairs: readonly string[]) => ['set', '--gpu', gpu, ...pairs] as const;
const health = (gpu: string, ...conditions: readonly string[]) =>
  ['fabric-health', '--gpu', gpu, ...conditions] as const;

/**
 * Each failure mode of the mock and each reading that it can be told to give, made bad. Retired pages
 * and PCIe replays are not among them: whatever the file says, the mock answers none.
 */
export const CASES: readonly Case[] = [
  ...(['lost', 'fallen_off_bus'] as const).flatMap(mode => [
    {
      name: `${mode}, one GPU`,
      inject: [['fail', '--gpu', '1', '--mode', mode]],
      finding: /^lost-gpu/,
      severity: 'critical' as const,
    },
    {
      name: `${mode}, all GPUs`,
      inject: [['fail', '--gpu', 'all', '--mode', mode]],
      finding: /^lost-gpu/,
      severity: 'critical' as const,
    },
    {
      name: `${mode} after 20 calls`,
      inject: [['fail', '--gpu', '1', '--mode', mode, '--after-calls', '20']],
      finding: /^lost-gpu/,
      severity: 'critical' as const,
    },
  ]),
  {
    name: 'uncorrectable ECC',
    inject: [['fail', '--gpu', '1', '--mode', 'ecc_uncorrectable', '--xid', '64']],
    finding: /^row-remap-failed|^ecc-uncorrected/,
    severity: 'critical',
  },
  {
    name: 'row remap failed',
    inject: [set('1', 'remapped_rows.failure_occurred=true')],
    finding: /^row-remap-failed/,
    severity: 'critical',
    on: WITH_ROWS,
  },
  {
    name: 'row remap pending',
    inject: [set('1', 'remapped_rows.pending=true')],
    finding: /^row-remap-pending/,
    severity: 'warning',
    on: WITH_ROWS,
  },
  {
    name: '600 rows remapped for uncorrectable errors',
    inject: [set('1', 'remapped_rows.uncorrectable=600')],
    finding: /^row-remap-limit/,
    severity: 'warning',
    on: WITH_ROWS,
  },
  {
    name: 'a bank without a spare row',
    inject: [set('1', 'remapped_rows.availability_histogram.none=1')],
    finding: /^remap-banks-exhausted/,
    severity: 'warning',
    on: STACKED,
  },
  {
    name: 'SRAM parity errors',
    inject: [['sram-ecc', '--gpu', '1', '3', '--type', 'parity', '--source', 'l2']],
    finding: /^ecc-uncorrected/,
    severity: 'warning',
    on: WITH_ROWS,
  },
  {
    name: 'SRAM threshold exceeded',
    inject: [['sram-ecc', '--gpu', '1', '1', '--threshold-exceeded']],
    finding: /^sram-threshold/,
    severity: 'critical',
    on: WITH_ROWS,
  },
  {
    name: '500 NVLink errors a second on one link',
    inject: [['nvlink-error', '--gpu', '1', '500', '--links', '3']],
    finding: /^nvlink-errors/,
    severity: 'warning',
    on: SWITCHED,
  },
  {
    name: '5 NVLink errors a second on all links',
    inject: [['nvlink-error', '--gpu', '1', '5']],
    finding: /^nvlink-errors/,
    severity: 'warning',
    on: SWITCHED,
  },
  {
    name: 'as hot as its shutdown',
    inject: [['temp', '--gpu', '1', '94']],
    finding: /^over-temperature/,
    severity: 'warning',
  },
  ...(
    [
      'hw_thermal_slowdown',
      'sw_thermal_slowdown',
      'hw_slowdown',
      'hw_power_brake_slowdown',
    ] as const
  ).map(
    (reason): Case => ({
      name: reason,
      inject: [
        ['throttle', '--gpu', '1', reason],
        ['util', '--gpu', '1', '95'],
      ],
      finding: /slowdown/,
      severity: 'warning',
    }),
  ),
  {
    name: 'power brake on all GPUs',
    inject: [['throttle', '--gpu', 'all', 'hw_power_brake_slowdown']],
    finding: /slowdown/,
    severity: 'warning',
  },
  ...(
    [
      ['degraded_bandwidth', 'warning'],
      ['route_recovery', 'warning'],
      ['route_unhealthy', 'critical'],
      ['access_timeout_recovery', 'warning'],
      ['no_partition', 'critical'],
      ['insufficient_nvlinks', 'critical'],
      ['incompatible_gpu_fw', 'critical'],
      ['invalid_location', 'critical'],
      ['incorrect_sysguid', 'critical'],
      ['incorrect_chassis_sn', 'critical'],
      ['gpu_state_invalid', 'critical'],
    ] as const
  ).map(
    ([condition, severity]): Case => ({
      name: `fabric: ${condition}`,
      inject: [health('1', condition)],
      finding: /^fabric-unhealthy/,
      severity,
      on: IN_FABRIC,
    }),
  ),
  ...(['not_started', 'in_progress'] as const).map(
    (state): Case => ({
      name: `fabric ${state} on all GPUs`,
      inject: [set('all', `fabric.state=${state}`)],
      finding: /^fabric-not-ready/,
      severity: 'warning',
      on: IN_FABRIC,
    }),
  ),
  {
    name: 'fabric not supported on all GPUs',
    inject: [set('all', 'fabric.state=not_supported')],
    finding: /^fabric-not-ready/,
    severity: 'warning',
    on: IN_FABRIC,
  },
  {
    name: 'fabric not supported on one GPU',
    inject: [set('1', 'fabric.state=not_supported')],
    finding: /^fabric-not-ready/,
    severity: 'warning',
    on: IN_FABRIC,
  },
  {
    name: 'one GPU in another clique',
    inject: [set('1', 'fabric.clique_id=7')],
    finding: /^fabric-divided/,
    severity: 'warning',
    on: IN_FABRIC,
  },
  {
    name: 'PCIe x4 on one GPU',
    inject: [set('1', 'pcie.current_link_width=4')],
    finding: /^pcie-width/,
    severity: 'warning',
  },
  {
    name: 'PCIe x4 on all modules of a board',
    inject: [set('all', 'pcie.current_link_width=4')],
    finding: /^pcie-width/,
    severity: 'warning',
    on: ['h100', 'b200'],
  },
  {
    name: 'PCIe x4 on all GPUs',
    inject: [set('all', 'pcie.current_link_width=4')],
    finding: /^pcie-width/,
    severity: 'info',
  },
  {
    name: 'ECC off on one GPU',
    inject: [set('1', 'ecc.mode_current=disabled', 'ecc.mode_pending=disabled')],
    finding: /ecc/,
    severity: 'warning',
  },
  {
    name: 'ECC waits for a reset',
    inject: [set('1', 'ecc.mode_pending=disabled')],
    finding: /^ecc-mode-pending/,
    severity: 'warning',
  },
  {
    name: 'ECC off on all GPUs, whose memory pays nothing for it',
    inject: [set('all', 'ecc.mode_current=disabled', 'ecc.mode_pending=disabled')],
    finding: /^ecc-off/,
    severity: 'warning',
    on: STACKED,
  },
  {
    name: 'ECC off on all GPUs',
    inject: [set('all', 'ecc.mode_current=disabled', 'ecc.mode_pending=disabled')],
    finding: /^ecc-off/,
    severity: 'info',
    on: ['l40s', 't4'],
  },
  {
    name: 'no program may compute',
    inject: [set('1', 'compute_mode=prohibited')],
    finding: /compute-prohibited/,
    severity: 'warning',
  },
];
