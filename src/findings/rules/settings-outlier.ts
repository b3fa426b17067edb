import { known, type Reading } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isBusy, median, type Outlier, outliers } from '../support/neighbours.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/** One GPU that is set up otherwise than the others of its model on this node. */
export const settingsOutlier = rule(
  'settings-outlier',
  {
    gpu: {
      decides: [
        ...['name', 'eccMode', 'gpuUtilizationPercent', 'smClockMhz'],
        ...['applicationGraphicsClockMhz', 'powerLimitMw'],
      ],
      tells: [...GPU_NAMES, 'clocksEventReasons', 'inforom.imageVersion', 'vbios'],
    },
  } as const,
  facts => [
    ...SETTINGS.flatMap(setting =>
      outliers(facts, setting.read).map(outlier => outlierClue(facts, setting, outlier)),
    ),
    ...slowClocks(facts),
  ],
);

interface Setting {
  readonly rule: string;
  readonly name: string;
  readonly read: (gpu: GpuState) => Reading<string | number | boolean>;
  readonly text: (value: string | number | boolean) => string;
  /** Info where it changes nothing that a job would feel. */
  readonly severity: 'warning' | 'info';
  readonly advice: string;
  readonly query: string;
}

const watts = (value: string | number | boolean) => `${Math.round(Number(value) / 1_000)} W`;
const plain = (value: string | number | boolean) => String(value);
const megahertz = (value: string | number | boolean) => `${value} MHz`;
const onOff = (value: string | number | boolean) => (value === true ? 'on' : 'off');

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
    text: watts,
    severity: 'warning',
    advice: 'Set the power limit as on the neighbours (nvidia-smi -pl), or find out who set it.',
    query: 'power.limit,power.default_limit',
  },
  {
    rule: 'clocks-outlier',
    name: 'application clock',
    read: gpu => gpu.applicationGraphicsClockMhz,
    text: megahertz,
    severity: 'warning',
    advice: 'Reset the application clocks (nvidia-smi -rac), or find out who set them.',
    query: 'clocks.applications.graphics,clocks.default_applications.graphics',
  },
  {
    rule: 'ecc-mode-outlier',
    name: 'ECC mode',
    read: gpu => (gpu.eccMode.ok ? { ok: true, value: gpu.eccMode.value.current } : gpu.eccMode),
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
  const { rule, name, text, severity, advice, query } = setting;
  return gpuClue(gpu, rule, {
    severity,
    component: 'configuration',
    title: `${gpuName(gpu)} has the ${name} ${text(value)}, ${agreeing} of ${of} GPUs of its model have ${text(usual)}`,
    action: severity === 'info' ? 'watch' : 'fix_configuration',
    advice,
    blame: 'configuration',
    confidence: 'high',
    evidence: [
      nvmlEvidence(
        facts,
        `${name}: ${text(value)}; neighbours ${text(usual)}`,
        `nvidia-smi --query-gpu=index,${query} --format=csv`,
      ),
    ],
    wouldChange: 'Someone who set it so on purpose.',
  });
}

/** Clocks locked low show in no getter: a busy GPU that runs far slower than its busy neighbours does. */
function slowClocks(facts: NodeFacts): readonly Clue[] {
  // A light load needs no high clock: only full loads are compared.
  const busy = facts.driver.gpus.filter(
    gpu =>
      isBusy(gpu) && (known(gpu.gpuUtilizationPercent) ?? 0) >= THRESHOLDS.fullLoadPercent.value,
  );
  return busy.flatMap(gpu => {
    const clock = known(gpu.smClockMhz);
    const others = busy
      .filter(other => other !== gpu && known(other.name) === known(gpu.name))
      .flatMap(other => known(other.smClockMhz) ?? []);
    const usual = median(others);
    if (clock === undefined || usual === undefined || others.length < 2) return [];
    const held = (known(gpu.clocksEventReasons) ?? []).some(reason =>
      /slowdown|power/.test(reason),
    );
    if (held || clock >= usual * THRESHOLDS.clockShare.value) return [];
    return [
      gpuClue(gpu, 'slow-clocks', {
        severity: 'warning',
        component: 'configuration',
        title: `${gpuName(gpu)} works at ${clock} MHz, its busy neighbours at ${usual} MHz, and no slowdown is told`,
        action: 'fix_configuration',
        advice: 'Look for locked clocks and unlock them (nvidia-smi -rgc).',
        blame: 'configuration',
        confidence: 'medium',
        evidence: [
          nvmlEvidence(
            facts,
            `SM clock ${clock} MHz at ${known(gpu.gpuUtilizationPercent) ?? '?'} % busy; neighbours ${others.join(', ')} MHz`,
            'nvidia-smi --query-gpu=index,clocks.sm,utilization.gpu,clocks_event_reasons.active --format=csv',
          ),
        ],
        wouldChange:
          'A lighter kernel on this GPU than on the others can look the same for a moment.',
      }),
    ];
  });
}
