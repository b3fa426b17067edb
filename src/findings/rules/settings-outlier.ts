import { shell } from '../../contract/printed-command.ts';
import { known, mapReading, missing, type Reading } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { type Outlier, outliers } from '../support/neighbours.ts';

/** One GPU that is set up otherwise than the others of its model on this node. */
export const settingsOutlier = rule(
  'settings-outlier',
  {
    gpu: {
      decides: [
        ...['name', 'eccMode', 'applicationGraphicsClockMhz', 'powerLimitMw', 'memory', 'bar1'],
        'applicationMemoryClockMhz',
      ],
      tells: ['uuid', 'pci', 'inforom.imageVersion', 'vbios', 'gsp.firmwareMode'],
    },
  } as const,
  facts =>
    SETTINGS.flatMap(setting =>
      outliers(facts, setting.read, setting.isWorse).map(outlier =>
        outlierClue(facts, setting, outlier),
      ),
    ),
);

interface Setting {
  readonly rule: string;
  readonly name: string;
  readonly read: (gpu: GpuState) => Reading<string | number | boolean>;
  readonly text: (value: string | number | boolean) => string;
  /** Which of two values is the worse one, where there are no more; absent where none is. */
  readonly isWorse?: (
    value: string | number | boolean,
    other: string | number | boolean,
  ) => boolean;
  /** Info where it changes nothing that a job would feel. */
  readonly severity: 'warning' | 'info';
  /** Whose it is where no one can have set it; absent: configuration. */
  readonly blame?: 'hardware';
  readonly advice: string;
  readonly query: string;
}

const watts = (value: string | number | boolean) => `${Math.round(Number(value) / 1_000)} W`;
const plain = (value: string | number | boolean) => String(value);
const gibibytes = (value: string | number | boolean) =>
  `${(Number(value) / 2 ** 30).toFixed(1)} GiB`;
const megahertz = (value: string | number | boolean) => `${value} MHz`;
const onOff = (value: string | number | boolean) => (value === true ? 'on' : 'off');

const isLower = (value: string | number | boolean, other: string | number | boolean) =>
  Number(value) < Number(other);

const FIRMWARE =
  'Nothing to do now: bring all GPUs of the machine to one version at the next maintenance.';

const SETTINGS: readonly Setting[] = [
  {
    rule: 'vbios-outlier',
    name: 'VBIOS',
    read: gpu => gpu.vbios,
    text: plain,
    severity: 'info',
    advice: FIRMWARE,
    query: 'vbios_version',
  },
  {
    rule: 'inforom-outlier',
    name: 'InfoROM',
    read: gpu => gpu.inforom.imageVersion,
    text: plain,
    severity: 'info',
    advice: FIRMWARE,
    query: 'inforom.img',
  },
  {
    rule: 'power-limit-outlier',
    name: 'power limit',
    read: gpu => gpu.powerLimitMw,
    isWorse: isLower,
    text: watts,
    severity: 'warning',
    advice: 'Set the power limit as on the neighbours (nvidia-smi -pl), or find out who set it.',
    query: 'power.limit,power.default_limit',
  },
  {
    rule: 'clocks-outlier',
    name: 'application clock',
    read: gpu => gpu.applicationGraphicsClockMhz,
    isWorse: isLower,
    text: megahertz,
    severity: 'warning',
    advice: 'Reset the application clocks (nvidia-smi -rac), or find out who set them.',
    query: 'clocks.applications.graphics,clocks.default_applications.graphics',
  },
  {
    rule: 'memory-clocks-outlier',
    name: 'application clock of the memory',
    read: gpu => gpu.applicationMemoryClockMhz,
    isWorse: isLower,
    text: megahertz,
    severity: 'warning',
    advice: 'Reset the application clocks (nvidia-smi -rac), or find out who set them.',
    query: 'clocks.applications.memory,clocks.default_applications.memory',
  },
  {
    rule: 'gsp-outlier',
    name: 'GSP firmware',
    read: gpu => mapReading(gpu.gsp.firmwareMode, mode => mode.enabled),
    text: onOff,
    severity: 'info',
    advice:
      'Nothing to do now: set NVreg_EnableGpuFirmware alike for all GPUs at the next load of the driver.',
    query: 'gsp.mode.current,gsp.mode.default',
  },
  {
    rule: 'memory-size-outlier',
    name: 'memory',
    // ECC takes a part of GDDR memory.
    read: gpu =>
      known(gpu.eccMode)?.current === false
        ? missing('not_supported')
        : mapReading(gpu.memory, memory => memory.totalBytes),
    isWorse: isLower,
    text: gibibytes,
    severity: 'warning',
    blame: 'hardware',
    advice:
      'Reset the GPU; where the memory stays smaller, a part of it is switched off: open a case with nvidia-bug-report.',
    query: 'memory.total',
  },
  {
    rule: 'bar1-outlier',
    name: 'BAR1 memory',
    read: gpu => mapReading(gpu.bar1, bar1 => bar1.totalBytes),
    isWorse: isLower,
    text: gibibytes,
    severity: 'warning',
    advice:
      'Look at the BIOS (Above 4G decoding, resizable BAR) and reboot: peers and network adapters map GPU memory through it.',
    query: 'memory.total',
  },
  {
    rule: 'ecc-mode-outlier',
    name: 'ECC mode',
    read: gpu => mapReading(gpu.eccMode, mode => mode.current),
    isWorse: isLower,
    text: onOff,
    severity: 'warning',
    advice: 'Switch ECC as on the neighbours (nvidia-smi -e) and reset the GPU.',
    query: 'ecc.mode.current',
  },
];

function outlierClue(
  facts: NodeFacts,
  setting: Setting,
  { gpu, value, usual, agreeing, of }: Outlier<string | number | boolean>,
): Clue {
  const { rule, name, text, severity, blame, advice, query } = setting;
  return gpuClue(gpu, rule, {
    severity,
    component: blame ? 'memory' : 'configuration',
    title: `${gpuName(gpu)} has the ${name} ${text(value)}, ${agreeing} of ${of} GPUs of its model have ${text(usual)}`,
    action: severity === 'info' ? 'watch' : blame ? 'reset_gpu' : 'fix_configuration',
    advice,
    blame: blame ?? 'configuration',
    confidence: 'high',
    evidence: [
      nvmlEvidence(
        facts,
        `${name}: ${text(value)}; neighbours ${text(usual)}`,
        shell`nvidia-smi --query-gpu=index,${query} --format=csv`,
      ),
    ],
    wouldChange: blame
      ? 'The size of its neighbours after a reset.'
      : 'Someone who set it so on purpose.',
  });
}
