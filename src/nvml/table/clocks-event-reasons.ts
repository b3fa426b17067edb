/**
 * Why a GPU's clocks are where they are: bits of nvmlDeviceGetCurrentClocksEventReasons.
 *
 * nvml.h: nvmlClocksEventReason*, and nvmlClocksThrottleReasonHw* for the three hardware bits.
 */
// biome-ignore format: a table
export const CLOCKS_EVENT_REASONS = [
  { bit: 0x001n, name: 'gpu_idle',                    define: 'nvmlClocksEventReasonGpuIdle' },
  { bit: 0x002n, name: 'applications_clocks_setting', define: 'nvmlClocksEventReasonApplicationsClocksSetting' },
  { bit: 0x004n, name: 'sw_power_cap',                define: 'nvmlClocksEventReasonSwPowerCap' },
  { bit: 0x008n, name: 'hw_slowdown',                 define: 'nvmlClocksThrottleReasonHwSlowdown' },
  { bit: 0x010n, name: 'sync_boost',                  define: 'nvmlClocksEventReasonSyncBoost' },
  { bit: 0x020n, name: 'sw_thermal_slowdown',         define: 'nvmlClocksEventReasonSwThermalSlowdown' },
  { bit: 0x040n, name: 'hw_thermal_slowdown',         define: 'nvmlClocksThrottleReasonHwThermalSlowdown' },
  { bit: 0x080n, name: 'hw_power_brake_slowdown',     define: 'nvmlClocksThrottleReasonHwPowerBrakeSlowdown' },
  { bit: 0x100n, name: 'display_clock_setting',       define: 'nvmlClocksEventReasonDisplayClockSetting' },
  { bit: 0x200n, name: 'board_limit',                 define: 'nvmlClocksEventReasonBoardLimit' },
  { bit: 0x400n, name: 'reliability',                 define: 'nvmlClocksEventReasonReliability' },
] as const;

/** Names of the set bits; a bit of tomorrow is `unknown_0x800`. */
export function clocksEventReasons(mask: bigint): string[] {
  const names: string[] = [];
  for (let bit = 1n; bit <= mask; bit <<= 1n) {
    if ((mask & bit) === 0n) continue;
    const known = CLOCKS_EVENT_REASONS.find(reason => reason.bit === bit);
    names.push(known ? known.name : `unknown_0x${bit.toString(16)}`);
  }
  return names;
}
