import type { Reading } from '../../src/contract/reading.ts';
import type { GpuState } from '../../src/nvml/port.ts';

/** What `nvidia-smi -q` prints of a GPU, each line by the headings above it. */
export type Page = Readonly<Record<string, string>>;

/** The GPUs of the whole output of `nvidia-smi -q`. */
export function pagesOf(stdout: string): Page[] {
  const [, ...gpus] = stdout.split(/^GPU [0-9a-fA-F:.]+$/m);
  return gpus.map(pageOf);
}

/** `Clocks/SM` and the like; of several processes the lines of the first. */
function pageOf(text: string): Page {
  const headings: string[] = [];
  const lines = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, indent = '', heading = '', value] = /^( +)(\S.*?) *(?:: (.*))?$/.exec(line) ?? [];
    if (heading === '') continue;
    headings.length = indent.length / 4 - 1;
    headings.push(heading);
    const name = headings.join('/');
    if (value !== undefined && !lines.has(name)) lines.set(name, value.trim());
  }
  return Object.fromEntries(lines);
}

/** What `nvidia-smi -q` (R550) has to print of a GPU if our readings of it are right. */
export function expectedPage(gpu: GpuState): Page {
  return { ...identity(gpu), ...link(gpu), ...load(gpu), ...errors(gpu), ...heatAndPower(gpu) };
}

function cell<T>(reading: Reading<T>, text: (value: T) => string = String): string {
  if (reading.ok) return text(reading.value);
  return reading.reason === 'function_not_found' ? 'Function Not Found' : 'N/A';
}

const onOff = (yes: boolean): string => (yes ? 'Enabled' : 'Disabled');
const yesNo = (yes: boolean): string => (yes ? 'Yes' : 'No');
const percent = (value: number): string => `${value} %`;
const celsius = (value: number): string => `${value} C`;
const megahertz = (value: number): string => `${value} MHz`;
const watts = (milliwatts: number): string => `${(milliwatts / 1000).toFixed(2)} W`;

function identity(gpu: GpuState): Page {
  return {
    'Product Name': cell(gpu.name),
    'Product Architecture': cell(gpu.architecture, name => ARCHITECTURES[name] ?? name),
    'Persistence Mode': cell(gpu.persistenceMode, onOff),
    'MIG Mode/Current': cell(gpu.migMode, ({ current }) => onOff(current)),
    'MIG Mode/Pending': cell(gpu.migMode, ({ pending }) => onOff(pending)),
    'Accounting Mode': cell(gpu.accountingMode, onOff),
    'Serial Number': cell(gpu.serial),
    'GPU UUID': cell(gpu.uuid),
    'Minor Number': cell(gpu.minorNumber),
    'VBIOS Version': cell(gpu.vbios),
    'MultiGPU Board': cell(gpu.multiGpuBoard, yesNo),
    'Board ID': cell(gpu.boardId, id => `0x${id.toString(16)}`),
    'Board Part Number': cell(gpu.boardPartNumber),
    'Inforom Version/Image Version': cell(gpu.inforom.imageVersion),
    'Inforom Version/OEM Object': cell(gpu.inforom.oemVersion),
    'Inforom Version/ECC Object': cell(gpu.inforom.eccVersion),
    'Inforom Version/Power Management Object': cell(gpu.inforom.powerVersion),
    'GSP Firmware Version': cell(gpu.gsp.firmwareVersion),
    'GPU Reset Status/Reset Required': cell(gpu.resetRequired, yesNo),
    'GPU Reset Status/Drain and Reset Recommended': cell(gpu.drainAndResetRecommended, yesNo),
  };
}

/** R550 does not know Blackwell yet. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  turing: 'Turing',
  ampere: 'Ampere',
  ada: 'Ada Lovelace',
  hopper: 'Hopper',
  blackwell: 'Unknown',
};

function link(gpu: GpuState): Page {
  const pci = 'PCI/GPU Link Info';
  return {
    'PCI/Bus Id': cell(gpu.pci, address => `0000${address}.0`.toUpperCase()),
    [`${pci}/PCIe Generation/Max`]: cell(gpu.pcieGenerationMax),
    [`${pci}/PCIe Generation/Current`]: cell(gpu.pcieGenerationCurrent),
    [`${pci}/Link Width/Max`]: cell(gpu.pcieWidthMax, width => `${width}x`),
    [`${pci}/Link Width/Current`]: cell(gpu.pcieWidthCurrent, width => `${width}x`),
    'PCI/Replays Since Reset': cell(gpu.pcieReplayCounter),
    'PCI/Replay Number Rollovers': cell(gpu.pcieCounters.replayRollovers),
    // Where the newer function is missing we ask the older one, and it does not.
    ...(gpu.fabric.ok && { 'Fabric/State': FABRIC_STATES[gpu.fabric.value.state] }),
  };
}

const FABRIC_STATES = {
  not_supported: 'N/A',
  not_started: 'Not Started',
  in_progress: 'In Progress',
  completed: 'Completed',
  unknown: 'N/A',
} as const;

function load(gpu: GpuState): Page {
  const { engines } = gpu;
  // With MIG it asks each instance for its processes; we have them from the GPU.
  const isMig = gpu.migMode.ok && gpu.migMode.value.current;
  const [process] = gpu.processes.ok && !isMig ? gpu.processes.value : [];
  return {
    'Fan Speed': cell(gpu.fans, ([first]) => (first ? cell(first.percent, percent) : 'N/A')),
    'Performance State': cell(gpu.performanceState, state => `P${state}`),
    'Compute Mode': cell(gpu.computeMode, mode => COMPUTE_MODES[mode] ?? mode),
    'Utilization/Gpu': cell(gpu.gpuUtilizationPercent, percent),
    'Utilization/Memory': cell(gpu.memoryUtilizationPercent, percent),
    'Utilization/Encoder': cell(engines.encoderPercent, percent),
    'Utilization/Decoder': cell(engines.decoderPercent, percent),
    'Utilization/JPEG': cell(engines.jpegPercent, percent),
    'Utilization/OFA': cell(engines.ofaPercent, percent),
    ...Object.fromEntries(
      Object.entries(EVENT_REASONS).map(([reason, heading]) => [
        `Clocks Event Reasons/${heading}`,
        cell(gpu.clocksEventReasons, set => (set.includes(reason) ? 'Active' : 'Not Active')),
      ]),
    ),
    ...memoryOf('FB Memory Usage', gpu.memory),
    ...memoryOf('BAR1 Memory Usage', gpu.bar1, Math.floor),
    ...(process && { 'Processes/Process ID': String(process.pid) }),
    ...(process?.usedBytes !== undefined && {
      'Processes/Process ID/Used GPU Memory': mebibytes(process.usedBytes, Math.floor),
    }),
  };
}

const COMPUTE_MODES: Readonly<Record<string, string>> = {
  default: 'Default',
  prohibited: 'Prohibited',
  exclusive_process: 'Exclusive_Process',
};

const EVENT_REASONS = {
  gpu_idle: 'Idle',
  applications_clocks_setting: 'Applications Clocks Setting',
  sw_power_cap: 'SW Power Cap',
  hw_slowdown: 'HW Slowdown',
  hw_thermal_slowdown: 'HW Slowdown/HW Thermal Slowdown',
  hw_power_brake_slowdown: 'HW Slowdown/HW Power Brake Slowdown',
  sync_boost: 'Sync Boost',
  sw_thermal_slowdown: 'SW Thermal Slowdown',
  display_clock_setting: 'Display Clock Setting',
} as const;

/** It rounds up, but down what is used by a process or of BAR1: seen on an H200 with 580.159.04. */
const mebibytes = (bytes: number, round = Math.ceil): string => `${round(bytes / 1_048_576)} MiB`;

const memoryOf = (heading: string, memory: GpuState['memory'], used = Math.ceil): Page => ({
  [`${heading}/Total`]: cell(memory, ({ totalBytes }) => mebibytes(totalBytes)),
  [`${heading}/Used`]: cell(memory, ({ usedBytes }) => mebibytes(usedBytes, used)),
  [`${heading}/Free`]: cell(memory, ({ freeBytes }) => mebibytes(freeBytes)),
});

function errors(gpu: GpuState): Page {
  const { eccByLocation: ecc, sramErrors: sram, remappedRows: rows, remapHistogram: banks } = gpu;
  const bank = (count: number): string => `${count} bank(s)`;
  const histogram = 'Remapped Rows/Bank Remap Availability Histogram';
  return {
    'ECC Mode/Current': cell(gpu.eccMode, ({ current }) => onOff(current)),
    'ECC Mode/Pending': cell(gpu.eccMode, ({ pending }) => onOff(pending)),
    'ECC Errors/Volatile/DRAM Correctable': cell(ecc.dramCorrectedVolatile),
    'ECC Errors/Volatile/DRAM Uncorrectable': cell(ecc.dramUncorrectedVolatile),
    'ECC Errors/Aggregate/DRAM Correctable': cell(ecc.dramCorrectedAggregate),
    'ECC Errors/Aggregate/DRAM Uncorrectable': cell(ecc.dramUncorrectedAggregate),
    ...(sram.ok && {
      'ECC Errors/Volatile/SRAM Correctable': cell(ecc.sramCorrectedVolatile),
      'ECC Errors/Aggregate/SRAM Correctable': cell(ecc.sramCorrectedAggregate),
      'ECC Errors/Aggregate/SRAM Uncorrectable Parity': String(
        sram.value.parityUncorrectedAggregate,
      ),
      'ECC Errors/Aggregate/SRAM Uncorrectable SEC-DED': String(
        sram.value.secDedUncorrectedAggregate,
      ),
      'ECC Errors/Aggregate/SRAM Threshold Exceeded': yesNo(sram.value.thresholdExceeded),
    }),
    'Retired Pages/Single Bit ECC': cell(gpu.retiredPagesSingleBit),
    'Retired Pages/Double Bit ECC': cell(gpu.retiredPagesDoubleBit),
    'Retired Pages/Pending Page Blacklist': cell(gpu.retiredPagesPending, yesNo),
    ...(rows.ok && {
      'Remapped Rows/Correctable Error': String(rows.value.corrected),
      'Remapped Rows/Uncorrectable Error': String(rows.value.uncorrected),
      'Remapped Rows/Pending': yesNo(rows.value.pending),
      'Remapped Rows/Remapping Failure Occurred': yesNo(rows.value.failureOccurred),
      [`${histogram}/Max`]: cell(banks, ({ max }) => bank(max)),
      [`${histogram}/High`]: cell(banks, ({ high }) => bank(high)),
      [`${histogram}/Partial`]: cell(banks, ({ partial }) => bank(partial)),
      [`${histogram}/Low`]: cell(banks, ({ low }) => bank(low)),
      [`${histogram}/None`]: cell(banks, ({ none }) => bank(none)),
    }),
  };
}

function heatAndPower(gpu: GpuState): Page {
  const { power, thermal } = gpu;
  const clock = (heading: string, reading: Reading<number>): Page => ({
    [heading]: cell(reading, megahertz),
  });
  return {
    'Temperature/GPU Current Temp': cell(gpu.temperatureC, celsius),
    'Temperature/GPU T.Limit Temp': cell(thermal.marginC, celsius),
    'Temperature/Memory Current Temp': cell(gpu.memoryTemperatureC, celsius),
    'GPU Power Readings/Average Power Draw': cell(power.averageMw, watts),
    'GPU Power Readings/Instantaneous Power Draw': cell(power.instantMw, watts),
    'GPU Power Readings/Current Power Limit': cell(gpu.enforcedPowerLimitMw, watts),
    'GPU Power Readings/Requested Power Limit': cell(
      power.requestedLimitMw.ok ? power.requestedLimitMw : gpu.powerLimitMw,
      watts,
    ),
    'GPU Power Readings/Default Power Limit': cell(gpu.defaultPowerLimitMw, watts),
    'GPU Power Readings/Min Power Limit': cell(power.minLimitMw, watts),
    'GPU Power Readings/Max Power Limit': cell(power.maxLimitMw, watts),
    'Module Power Readings/Instantaneous Power Draw': cell(power.moduleInstantMw, watts),
    'Module Power Readings/Current Power Limit': cell(power.moduleLimitMw, watts),
    ...clock('Clocks/Graphics', gpu.graphicsClockMhz),
    ...clock('Clocks/SM', gpu.smClockMhz),
    ...clock('Clocks/Memory', gpu.memoryClockMhz),
    ...clock('Applications Clocks/Graphics', gpu.applicationGraphicsClockMhz),
    ...clock('Applications Clocks/Memory', gpu.applicationMemoryClockMhz),
    ...clock('Default Applications Clocks/Graphics', gpu.defaultApplicationGraphicsClockMhz),
    ...clock('Default Applications Clocks/Memory', gpu.defaultApplicationMemoryClockMhz),
    ...clock('Max Clocks/Graphics', gpu.maxGraphicsClockMhz),
    ...clock('Max Clocks/SM', gpu.maxSmClockMhz),
    ...clock('Max Clocks/Memory', gpu.maxMemoryClockMhz),
  };
}
