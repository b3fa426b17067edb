import { shell } from '../../contract/printed-command.ts';
import { known, type Reading } from '../../contract/reading.ts';
import type { HostState, PciBridge, PciDevice } from '../../host/port.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuAt, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isBusy, isLone, isOnBaseboard, outliers } from '../support/neighbours.ts';
import { gpusOnBus } from '../support/places.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/**
 * A PCIe link narrower or slower than what the GPU can and most of its neighbours have. The speed is
 * compared only while the GPU works: an idle link takes it down by itself, the width it does not.
 */
export const pcieLink = rule(
  'pcie-link',
  {
    gpu: {
      decides: [
        ...['name', 'pci', 'virtualizationMode', 'pcieWidthCurrent', 'pcieWidthMax'],
        ...['pcieGenerationCurrent', 'pcieGenerationMax', 'performanceState'],
        'gpuUtilizationPercent',
      ],
      tells: ['uuid', 'clocksEventReasons'],
    },
    host: {
      decides: [
        ...['pciDevices', 'pciDevices.currentLinkWidth', 'pciDevices.currentLinkSpeed'],
        ...['pciDevices.maxLinkSpeed', 'pciDevices.bridges', 'pciDevices.bridges.maxLinkWidth'],
        ...['pciDevices.bridges.maxLinkSpeed', 'pciDevices.bridges.currentLinkWidth'],
        'virtualMachine',
      ],
    },
  } as const,
  facts => [...width(facts), ...speed(facts), ...belowSlot(facts), ...aboveSwitch(facts)],
);

const RESEAT = 'Drain the node, power it off, reseat the card or riser; compare after boot.';

const WIRED = 'A slot, riser or virtual machine that is wired with fewer lanes.';

function width(facts: NodeFacts): readonly Clue[] {
  const narrow = facts.driver.gpus.filter(isNarrow);
  const widestLike = (gpu: GpuState) =>
    Math.max(
      ...facts.driver.gpus
        .filter(other => known(other.name) === known(gpu.name))
        .map(other => known(other.pcieWidthCurrent) ?? 0),
    );
  const alone = narrow.filter(gpu => (known(gpu.pcieWidthCurrent) ?? 0) < widestLike(gpu));
  if (narrow.length > 0 && alone.length === 0 && !narrow.some(gpu => isSlotWider(facts, gpu))) {
    return [allNarrow(facts, narrow)];
  }
  return alone.map(gpu => {
    const [current, max] = [known(gpu.pcieWidthCurrent), known(gpu.pcieWidthMax)];
    return gpuClue(gpu, 'pcie-width', {
      cause: 'pcie',
      sign: `${current} PCIe lanes of ${max}`,
      severity: 'warning',
      component: 'pcie',
      title: `${gpuName(gpu)} runs on ${current} PCIe lanes of ${max}`,
      action: 'drain',
      advice: RESEAT,
      byHand: true,
      blame: 'hardware',
      confidence: 'medium',
      wouldChange: WIRED,
      evidence: [
        linkEvidence(
          facts,
          gpu,
          `link width x${current}, maximum x${max}, neighbours up to x${widestLike(gpu)}`,
        ),
      ],
    });
  });
}

const linkEvidence = (facts: NodeFacts, gpu: GpuState, what: string) =>
  nvmlEvidence(
    facts,
    what,
    shell`nvidia-smi -i ${gpu.index} --query-gpu=pcie.link.width.current,pcie.link.width.max,pcie.link.gen.current,pcie.link.gen.max --format=csv`,
  );

/**
 * The same on every GPU: how the machine or the virtual machine is wired. But a baseboard of modules
 * gives each of them all of its lanes (NVIDIA HGX): there it is a fault that all of them share.
 */
function allNarrow(facts: NodeFacts, gpus: readonly GpuState[]): Clue {
  const [first] = gpus;
  const [current, max] = [known(first?.pcieWidthCurrent), known(first?.pcieWidthMax)];
  const isFault = known(facts.host.virtualMachine) === false && gpus.some(isBareModule);
  return nodeClue('pcie-width', {
    ...(isFault ? BOARD : WIRING),
    component: 'pcie',
    title: `${gpus.length === 1 ? 'The GPU runs' : `All ${gpus.length} GPUs run`} on ${current} PCIe lanes of ${max}`,
    evidence: first ? [linkEvidence(facts, first, `link width x${current}, maximum x${max}`)] : [],
  });
}

const isBareModule = (gpu: GpuState): boolean =>
  known(gpu.virtualizationMode) === 'none' && isOnBaseboard(gpu);

const WIRING = {
  severity: 'info',
  action: 'watch',
  advice:
    'All GPUs here have this width: it is how the machine or virtual machine is wired, unless it was different before.',
  blame: 'configuration',
  confidence: 'low',
} as const;
const BOARD = {
  severity: 'warning',
  action: 'fix_configuration',
  advice:
    'A board of modules has all lanes wired: look at how the firmware of the machine divides them (bifurcation), then at the cables between board and CPU.',
  blame: 'host',
  confidence: 'medium',
  wouldChange: 'A machine whose maker gives each module fewer lanes.',
} as const;

function speed(facts: NodeFacts): readonly Clue[] {
  const underLoad = (gpu: GpuState): Reading<number> =>
    isBusy(gpu) ? gpu.pcieGenerationCurrent : { ok: false, reason: 'not_read' };
  return outliers(facts, underLoad)
    .filter(({ value, usual }) => value < usual)
    .map(({ gpu, value, usual, agreeing }) =>
      gpuClue(gpu, 'pcie-speed', {
        cause: 'pcie',
        sign: `PCIe generation ${value} instead of ${usual}`,
        severity: 'warning',
        component: 'pcie',
        title: `${gpuName(gpu)} works on a PCIe link of generation ${value}, its neighbours on ${usual}`,
        action: 'drain',
        advice: RESEAT,
        byHand: true,
        blame: 'hardware',
        confidence: 'medium',
        wouldChange: 'Full speed in a reading under a load that moves data over PCIe.',
        evidence: [
          linkEvidence(
            facts,
            gpu,
            `generation ${value} while ${known(gpu.gpuUtilizationPercent) ?? '?'} % busy; ${agreeing} busy neighbours have ${usual}`,
          ),
        ],
      }),
    );
}

/**
 * On bare metal: NVML and the bus must agree that the link is less than the GPU and the port above it
 * can. It tells of a GPU without neighbours, and where all are alike.
 */
function belowSlot(facts: NodeFacts): readonly Clue[] {
  return facts.driver.gpus.flatMap(gpu => {
    const link = isSlotWider(facts, gpu) ? widthOf(gpu) : isSlotFaster(facts, gpu) && speedOf(gpu);
    if (!link) return [];
    const isAlike =
      link.rule === 'pcie-speed' ? areAllSlow(facts, gpu) : areAll(facts, gpu, isNarrow);
    const device = portOf(facts, gpu)?.device;
    const agrees = link.rule === 'pcie-width' ? isNarrowOnBus(gpu, device) : isSlowOnBus(device);
    return [
      gpuClue(gpu, link.rule, {
        cause: 'pcie',
        sign: link.what,
        severity: 'warning',
        component: 'pcie',
        title: `${gpuName(gpu)} runs on ${link.what}, and its slot could give more`,
        ...(isAlike ? ALL_ALIKE : ONE_LINK),
        confidence: 'medium',
        evidence: [
          linkEvidence(facts, gpu, link.what),
          ...(agrees ? [busEvidence(known(gpu.pci))] : []),
        ],
        counterEvidence: agrees ? [] : ['the bus shows a better link'],
        wouldChange: WIRED,
      }),
    ];
  });
}

/**
 * Every second link of the chain joins two bridges: the upper port of a switch and the port above it. One
 * with fewer lanes than both can have takes them from all GPUs below.
 */
function aboveSwitch(facts: NodeFacts): readonly Clue[] {
  if (known(facts.host.virtualMachine) !== false) return [];
  const links = gpusOnBus(facts).flatMap(gpu => {
    const bridges = known(gpu.bridges) ?? [];
    return bridges.flatMap((lower, height) => {
      const upper = height % 2 === 1 ? bridges[height + 1] : undefined;
      return upper ? [{ gpu, lower, upper }] : [];
    });
  });
  const byPort = Map.groupBy(links, ({ lower }) => `${lower.pci}.${lower.function}`);
  return [...byPort].flatMap(([port, below]) => {
    const [first] = below;
    if (!first) return [];
    const { lower, upper } = first;
    const lanes = known(lower.currentLinkWidth);
    const most = Math.min(known(lower.maxLinkWidth) ?? 0, known(upper.maxLinkWidth) ?? 0);
    if (lanes === undefined || lanes >= most || lanes !== known(upper.currentLinkWidth)) return [];
    const whose =
      below.length === 1 ? gpuName(gpuAt(facts, first.gpu.pci)) : `${below.length} GPUs`;
    return [
      nodeClue('pcie-width-above', {
        of: port,
        severity: 'warning',
        component: 'pcie',
        title: `The PCIe switch above ${whose} has ${lanes} lanes to the CPU, and both ends could have ${most}`,
        action: 'watch',
        advice:
          'Look at the cable or riser between switch and CPU, and at how the firmware divides the lanes (bifurcation).',
        byHand: true,
        blame: 'host',
        confidence: 'medium',
        evidence: [
          {
            what: `link width x${lanes} at ${port} and at ${upper.pci}.${upper.function} above it`,
            source: `/sys/bus/pci/devices/${port}/current_link_width`,
            command: shell`lspci -vv -s ${port} | grep -E 'LnkCap|LnkSta'`,
          },
        ],
        wouldChange: 'A machine whose maker wires fewer lanes to this switch.',
      }),
    ];
  });
}

const ONE_LINK = { action: 'drain', advice: RESEAT, byHand: true, blame: 'hardware' } as const;
const ALL_ALIKE = {
  action: 'fix_configuration',
  advice:
    'All GPUs are alike: look at the lanes and the link speed that the firmware of the machine gives its slots, then at risers and cables.',
  blame: 'configuration',
} as const;

const widthOf = ({ pcieWidthCurrent, pcieWidthMax }: GpuState) => ({
  rule: 'pcie-width',
  what: `${known(pcieWidthCurrent)} PCIe lanes of ${known(pcieWidthMax)}`,
});

const speedOf = ({ pcieGenerationCurrent, pcieGenerationMax }: GpuState) => ({
  rule: 'pcie-speed',
  what: `PCIe generation ${known(pcieGenerationCurrent)} of ${known(pcieGenerationMax)}`,
});

const busEvidence = (pci: string | undefined) => ({
  what: 'the bus shows the same link, and a port above it that can do more',
  source: `/sys/bus/pci/devices/${pci}.0`,
  command: shell`lspci -vv -s ${pci ?? ''} | grep -E 'LnkCap|LnkSta'`,
});

/** Its place on the bus, and the port above where the bus shows one; in a virtual machine neither says anything. */
function portOf(facts: NodeFacts, gpu: GpuState) {
  if (known(gpu.virtualizationMode) !== 'none') return undefined;
  const device = known(facts.host.pciDevices)?.find(({ pci }) => pci === known(gpu.pci));
  const bridges = known(device?.bridges);
  return device && bridges ? { device, above: bridges[0] } : undefined;
}

/** Where the link of the bus decides: without neighbours, or below what the GPU can. */
export const isJudgedByBus = (facts: NodeFacts, gpu: GpuState): boolean =>
  isLone(facts, gpu) ||
  (known(gpu.virtualizationMode) === 'none' && (isNarrow(gpu) || isSlowAtWork(gpu)));

const isNarrow = ({ pcieWidthCurrent, pcieWidthMax }: GpuState): boolean =>
  (known(pcieWidthCurrent) ?? Infinity) < (known(pcieWidthMax) ?? 0);

/** An idle link takes its speed down: only at full load and in the highest state does it tell. */
function isSlowAtWork(gpu: GpuState): boolean {
  const load = known(gpu.gpuUtilizationPercent) ?? 0;
  const [current, max] = [known(gpu.pcieGenerationCurrent), known(gpu.pcieGenerationMax)];
  const isWorking = known(gpu.performanceState) === 0 && load >= THRESHOLDS.fullLoadPercent.value;
  return isWorking && (current ?? Infinity) < (max ?? 0);
}

function isSlotWider(facts: NodeFacts, gpu: GpuState): boolean {
  const current = known(gpu.pcieWidthCurrent);
  const port = portOf(facts, gpu);
  if (!port || current === undefined || !isNarrow(gpu)) return false;
  const { device, above } = port;
  const isNarrowThere = isNarrowOnBus(gpu, device) || areAll(facts, gpu, isNarrow);
  return isNarrowThere && (known(above?.maxLinkWidth) ?? current) > current;
}

const isNarrowOnBus = ({ pcieWidthCurrent }: GpuState, device: PciDevice | undefined): boolean =>
  device !== undefined && known(device.currentLinkWidth) === known(pcieWidthCurrent);

/**
 * NVML's maximum is what device and system can together (nvml.h), so that a slower link under full load
 * is a fault where the bus shows it too, or all GPUs of the model have it; unless the port can no more.
 */
function isSlotFaster(facts: NodeFacts, gpu: GpuState): boolean {
  const port = portOf(facts, gpu);
  if (!port || !isSlowAtWork(gpu)) return false;
  const { device, above } = port;
  if (!isSlowOnBus(device) && !areAllSlow(facts, gpu)) return false;
  // 8, 16, 32 GT/s of the generations 3, 4, 5.
  const now = 2 ** (known(gpu.pcieGenerationCurrent) ?? 0);
  return above === undefined || gigatransfers(above.maxLinkSpeed) > now * 1.3;
}

const isSlowOnBus = (device: PciDevice | undefined): boolean =>
  device !== undefined &&
  gigatransfers(device.currentLinkSpeed) < gigatransfers(device.maxLinkSpeed);

const areAllSlow = (facts: NodeFacts, gpu: GpuState): boolean => areAll(facts, gpu, isSlowAtWork);

/** Of several GPUs of the model each one. */
function areAll({ driver }: NodeFacts, gpu: GpuState, is: (other: GpuState) => boolean): boolean {
  const like = driver.gpus.filter(other => known(other.name) === known(gpu.name));
  return like.length > 1 && like.every(is);
}

/** `16.0 GT/s PCIe` as 16; NaN, which is less than nothing, where it was not read. */
const gigatransfers = (speed: Reading<string>): number => Number.parseFloat(known(speed) ?? '');

/**
 * Access Control Services on a switch send what one device writes to its neighbour up to the CPU and
 * back. Virtual machines need that, and see a PCI bus that is not the real one: they are left out.
 */
export const pcieAcs = rule(
  'pcie-acs',
  {
    gpu: { tells: [...GPU_NAMES] },
    host: {
      tells: [
        ...['pciDevices', 'nics', 'pciDevices.bridges', 'pciDevices.bridges.acsRedirect'],
        'virtualMachine',
      ],
    },
  } as const,
  facts => {
    const { host } = facts;
    if (known(host.virtualMachine) !== false) return [];
    const gpus = gpusOnBus(facts);
    const hit = gpus.flatMap(gpu => {
      const port = portsBelowShared(host, gpu, gpus).find(each => known(each.acsRedirect) === true);
      return port ? [{ gpu, port }] : [];
    });
    if (hit.length === 0) return [];
    return [
      nodeClue('acs-redirect', {
        severity: 'info',
        component: 'pcie',
        title: `PCIe ACS sends traffic of ${hit.length === 1 ? nameOf(facts, hit[0]?.gpu) : `${hit.length} GPUs`} with devices on the same switch through the CPU`,
        action: 'fix_configuration',
        advice:
          'Switch ACS off on these ports (firmware setting, or setpci at boot) unless virtual machines get the devices: peer-to-peer and GPUDirect RDMA are slow with it, or hang.',
        blame: 'configuration',
        confidence: 'medium',
        evidence: hit.slice(0, 4).map(({ gpu, port }) => ({
          what: `redirection is on at ${port.pci}.${port.function} above ${nameOf(facts, gpu)}`,
          source: `/sys/bus/pci/devices/${port.pci}.${port.function}/config`,
          command: shell`lspci -s ${port.pci}.${port.function} -vvv | grep ACSCtl`,
        })),
        counterEvidence: [
          'traffic over NVLink does not pass here',
          'a switch may pass translated requests directly (ATS)',
        ],
      }),
    ];
  },
);

/** The bridges of a GPU below the first one that another GPU or an adapter hangs on as well. */
function portsBelowShared(
  { nics }: HostState,
  gpu: PciDevice,
  gpus: readonly PciDevice[],
): readonly PciBridge[] {
  const own = known(gpu.bridges) ?? [];
  const others = gpus.filter(other => other !== gpu).flatMap(other => known(other.bridges) ?? []);
  const shared = own.findIndex(bridge =>
    others.some(other => other.pci === bridge.pci && other.function === bridge.function),
  );
  if (shared > 0) return own.slice(0, shared);
  // Of an adapter only how near it is is known: the port next to the GPU is its own in any case.
  const beside = (known(nics) ?? []).some(({ gpuPaths }) =>
    gpuPaths.some(({ gpuPci, path }) => gpuPci === gpu.pci && ['PIX', 'PXB'].includes(path)),
  );
  return beside && shared !== 0 && own.length > 1 ? own.slice(0, 1) : [];
}

const nameOf = (facts: NodeFacts, gpu: PciDevice | undefined): string =>
  gpuName(gpuAt(facts, gpu?.pci ?? ''));
