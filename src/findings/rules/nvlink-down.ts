import { shell } from '../../contract/printed-command.ts';
import { known, missing, present, type Reading } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { GpuState, NvLink } from '../../nvml/port.ts';
import { type Clue, type ClueParts, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
import { gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { IS_CARD, isOnBaseboard, type Outlier, outliers } from '../support/neighbours.ts';
import { linksOf } from './nvlink-errors.ts';

/**
 * NVLinks that are down. How many links a GPU has is its own word: a B200 knows 36 indexes and has 18
 * links. Where they end at switches, or the GPU is a module of a board, all of them are wired, and each
 * that is down is a fault, also where all are; bridges of PCIe cards wire some of them or none.
 */
export const nvlinkDown = rule(
  'nvlink-down',
  {
    gpu: {
      decides: [
        ...['handle', 'name', 'virtualizationMode', 'nvlinks', 'nvlinks.links.state'],
        ...['nvlinks.links.remoteType', 'fabric'],
      ],
      tells: ['uuid', 'pci', 'migMode', 'nvlinks.links.remotePci'],
    },
    host: { decides: ['pciDevices'] },
  } as const,
  facts => {
    const few = outliers(facts, gpu => activeLinks(facts, gpu));
    return facts.driver.gpus.flatMap(gpu => {
      const up = known(activeLinks(facts, gpu));
      if (up === undefined) return [];
      const all = linksOf(gpu).length;
      const barred = linksOf(gpu).filter(({ state }) => known(state) === BARRED);
      const odd = few.find(outlier => outlier.gpu === gpu);
      return [
        ...(barred.length > 0 ? [trafficDisabled(facts, gpu, barred)] : []),
        ...(up === all ? [] : downOf(facts, gpu, { up, all, odd })),
      ];
    });
  },
);

const BARRED = 'active_traffic_disabled';

function downOf(
  facts: NodeFacts,
  gpu: GpuState,
  { up, all, odd }: { up: number; all: number; odd: Outlier<number> | undefined },
): readonly Clue[] {
  const neighbours = odd && `${odd.agreeing} neighbours have ${odd.usual} up`;
  if (isWired(facts, gpu)) {
    return [
      down(facts, gpu, { expected: all, up, against: neighbours ?? `the GPU has ${all} links` }),
    ];
  }
  // Cards without a bridge beside cards with one are how the machine was built.
  if (odd && neighbours && up > 0 && up < odd.usual) {
    return [down(facts, gpu, { expected: odd.usual, up, against: neighbours })];
  }
  if (known(gpu.virtualizationMode) !== 'none') return [];
  if (up === 0) return isLeftOut(facts, gpu) ? [bridge(facts, gpu, { up, all })] : [];
  return up === BRIDGED_OF_18 && all === 18 ? [] : [bridge(facts, gpu, { up, all })];
}

/** Bridges join two cards or four. Where an odd number of cards has links up, the one without has lost them. */
function isLeftOut(facts: NodeFacts, gpu: GpuState): boolean {
  const { gpus } = facts.driver;
  const onBus = known(facts.host.pciDevices)?.filter(({ kind }) => kind === 'gpu').length;
  // One that this driver does not have may be the other end, and what was not read is not counted.
  if (onBus !== gpus.length || gpus.some(({ name }) => !name.ok)) return false;
  if (gpus.flatMap(linksOf).some(({ state }) => !state.ok)) return false;
  const like = gpus.filter(other => known(other.name) === known(gpu.name));
  const up = like.map(other => known(activeLinks(facts, other)));
  return !up.includes(undefined) && up.filter(links => links !== 0).length % 2 === 1;
}

/** Three bridges are all that a PCIe card takes; a Hopper has links for more. */
const BRIDGED_OF_18 = 12;

/** Links of one bridge (NVIDIA, product briefs of A100 and H100 PCIe, RTX A6000). */
const LINKS_OF_BRIDGE = 4;

/** Whether each link of the GPU leads somewhere. */
function isWired({ driver, host }: NodeFacts, gpu: GpuState): boolean {
  const bare = known(gpu.virtualizationMode) === 'none';
  // What a virtual machine with one GPU is given is its own matter: links may be switched off for it.
  if (!bare && driver.gpus.length === 1) return false;
  const name = known(gpu.name) ?? '';
  if (IS_CARD.test(name)) return false;
  const like = driver.gpus.filter(other => known(other.name) === known(gpu.name));
  const ends = like.flatMap(linksOf).flatMap(({ remoteType }) => known(remoteType) ?? []);
  if (ends.includes('switch')) return true;
  // A virtual machine may have some GPUs of a board: links to the others are down for ever. A
  // workstation with one GB300 has no board.
  const inTray = /\bGB[23]00$/.test(name) && driver.gpus.length > 1;
  if (bare && (isOnBaseboard(gpu) || inTray)) return true;
  if (ends.includes('gpu')) return false;
  // Links that are down may not say where they end.
  const fabric = known(gpu.fabric)?.state;
  const registers = fabric !== undefined && fabric !== 'not_supported';
  return registers || known(host.pciDevices)?.some(({ kind }) => kind === 'nvswitch') === true;
}

/** How many links are up; missing where this says nothing of the links themselves. */
function activeLinks(facts: NodeFacts, gpu: GpuState): Reading<number> {
  if (!gpu.nvlinks.ok) return gpu.nvlinks;
  const { links } = gpu.nvlinks.value;
  // MIG takes the links of its GPU down (NVIDIA Fabric Manager user guide).
  if (known(gpu.migMode)?.current) return missing('not_supported', 'MIG');
  // Where GPUs are wired to each other, the links to a lost one are down for its sake.
  const lost = facts.driver.gpus.some(other => !other.handle.ok);
  const toGpus = links.some(({ remoteType }) => known(remoteType) === 'gpu');
  if (lost && toGpus) return missing('invalid_state', 'a GPU that it is wired to is lost');
  // A link whose state could not be read is not known to be down; that it was not read is a gap.
  return present(links.filter(link => !isDown(link)).length);
}

const isDown = ({ state }: NvLink): boolean => known(state) === 'inactive';

const NVLINK = { cause: 'nvlink', component: 'nvlink', confidence: 'high' } as const;

function down(
  facts: NodeFacts,
  gpu: GpuState,
  { expected, up, against }: { expected: number; up: number; against: string },
): Clue {
  return gpuClue(gpu, 'nvlink-down', {
    ...downParts(facts, gpu, { expected, up, against }),
    severity: 'critical',
    action: 'drain_and_reset',
    advice:
      'Drain the node and reset its GPUs; if the link stays down, look at the baseboard, tray or bridge with NVIDIA.',
    blame: 'fabric',
    wouldChange: 'XID 74 or 144 to 150, or an SXid of the switch, would tell which end failed.',
  });
}

/** Cards under bridges: a bridge that is there has all of its links up. */
function bridge(facts: NodeFacts, gpu: GpuState, { up, all }: { up: number; all: number }): Clue {
  const whole = up > 0 && up % LINKS_OF_BRIDGE === 0;
  return gpuClue(gpu, 'nvlink-bridge', {
    ...downParts(facts, gpu, {
      ...{ expected: all, up },
      against:
        up === 0
          ? 'bridges join two cards or four, and an odd number of cards has links up'
          : `a bridge has ${LINKS_OF_BRIDGE}`,
    }),
    severity: whole ? 'info' : 'warning',
    action: whole ? 'watch' : 'drain',
    advice: whole
      ? 'Nothing to do where the cards were given fewer bridges than they take.'
      : 'Drain the node, power it off and seat the NVLink bridge anew on both cards.',
    ...(whole ? {} : { byHand: true as const }),
    blame: whole ? 'configuration' : 'hardware',
    wouldChange: 'A bridge of another width than NVIDIA documents.',
  });
}

function downParts(
  facts: NodeFacts,
  gpu: GpuState,
  { expected, up, against }: { expected: number; up: number; against: string },
) {
  const dead = linksOf(gpu).filter(isDown);
  const names = up === 0 ? 'all of them' : `link ${dead.map(({ link }) => link).join(', ')}`;
  const remotes = [...new Set(dead.flatMap(link => known(link.remotePci) ?? []))];
  return {
    ...NVLINK,
    sign: `${expected - up} of ${expected} NVLinks are down`,
    title: `${gpuName(gpu)} has ${expected - up} of ${expected} NVLinks down${dead.length === 0 ? '' : `: ${names}`}`,
    evidence: [
      nvmlEvidence(
        facts,
        `${up} links up; ${against}${remotes.length > 0 ? `; the other end is ${remotes.join(', ')}` : ''}`,
        shell`nvidia-smi nvlink -s -i ${gpu.index}`,
      ),
    ],
  } as const satisfies Partial<ClueParts>;
}

/** nvml.h: "NVLink is active, but not usable for traffic". Why, and what cures it, it does not say. */
function trafficDisabled(facts: NodeFacts, gpu: GpuState, links: readonly NvLink[]): Clue {
  const names = links.map(({ link }) => link).join(', ');
  return gpuClue(gpu, 'nvlink-traffic-disabled', {
    ...NVLINK,
    sign: `${links.length} NVLinks carry no traffic`,
    severity: 'warning',
    title: `${gpuName(gpu)} has ${links.length} NVLinks that are up and closed to traffic: link ${names}`,
    action: 'watch',
    advice:
      'Look at what manages this NVLink domain (fabric manager, NMX): it may have closed these links on purpose. NVIDIA documents no cure.',
    blame: 'fabric',
    evidence: [
      nvmlEvidence(
        facts,
        `${links.length} links in the state active_traffic_disabled`,
        shell`nvidia-smi nvlink -s -i ${gpu.index}`,
      ),
    ],
    wouldChange: 'A state of active in a later reading.',
  });
}

/**
 * NVLinks that are up and slower than the fastest link of the same model on this node; where all are
 * alike, than what the product's links are sold with; and a mode that gives the node less bandwidth.
 */
export const nvlinkSpeed = rule(
  'nvlink-speed',
  {
    gpu: {
      decides: [...['name', 'nvlinks', 'nvlinks.links.state', 'nvlinks.links.speedMbps']],
      tells: ['uuid', 'pci'],
    },
    driver: { decides: ['nvlinkBandwidthMode'] },
  } as const,
  facts => [
    ...bandwidthMode(facts),
    ...facts.driver.gpus.flatMap(gpu => {
      const usual = fastest(facts, gpu);
      const slow = upLinks(gpu).filter(link => (speedOf(link) ?? usual) < usual * LEAST_SHARE);
      const [first] = slow;
      if (!first) return [];
      const names = slow.map(({ link }) => link).join(', ');
      const speed = speedOf(first);
      return [
        gpuClue(gpu, 'nvlink-slow', {
          cause: 'nvlink',
          sign: `${slow.length} NVLinks at ${speed} MB/s instead of ${usual}`,
          severity: 'warning',
          component: 'nvlink',
          title: `${gpuName(gpu)} has ${slow.length} NVLinks at ${speed} MB/s instead of ${usual}: link ${names}`,
          action: 'drain',
          advice:
            'Move multi-GPU work away; look whether someone has set an NVLink bandwidth mode (nvidia-smi nvlink -gBwMode), then at cable, bridge, tray or baseboard.',
          blame: 'fabric',
          confidence: 'high',
          evidence: [
            nvmlEvidence(
              facts,
              `link ${names} at ${speed} MB/s; ${usual} MB/s is what such a link has`,
              shell`nvidia-smi nvlink -s -i ${gpu.index}`,
            ),
          ],
          wouldChange: 'A bandwidth mode that someone has set on purpose.',
        }),
      ];
    }),
  ],
);

/** Links of one product are trained to one speed; drivers round it in two ways. */
const LEAST_SHARE = 0.9;

const upLinks = (gpu: GpuState): readonly NvLink[] =>
  linksOf(gpu).filter(({ state }) => known(state) === 'active');

const speedOf = ({ speedMbps }: NvLink): number | undefined => known(speedMbps);

function fastest({ driver }: NodeFacts, gpu: GpuState): number {
  const name = known(gpu.name);
  const like = driver.gpus.filter(other => known(other.name) === name);
  const speeds = like.flatMap(upLinks).flatMap(link => speedOf(link) ?? []);
  const product = PRODUCTS.find(({ model }) => model.test(name ?? ''));
  // A driver that gives no speed gives 0 for every link.
  return speeds.some(speed => speed > 0) ? Math.max(product?.mbps ?? 0, ...speeds) : 0;
}

/** MB/s of a link in one direction, as drivers give it at least (NVIDIA, product pages: 300, 600, 900, 1800 GB/s). */
const PRODUCTS = [
  { model: /V100-SXM/, mbps: 25_000 },
  { model: /A100-SXM|A800-SXM/, mbps: 25_000 },
  { model: /\bH[12]00\b|\bH800\b|\bH20\b/, mbps: 25_000 },
  { model: /\bG?B[23]00\b/, mbps: 50_000 },
];

function bandwidthMode(facts: NodeFacts): readonly Clue[] {
  const mode = known(facts.driver.nvlinkBandwidthMode) ?? 'full';
  if (mode === 'full') return [];
  return [
    nodeClue('nvlink-bandwidth-mode', {
      severity: 'warning',
      component: 'nvlink',
      title: `Someone has set the NVLink bandwidth mode of this node to ${plainText(mode, 16)}`,
      action: 'fix_configuration',
      advice:
        'Set it back to FULL when nothing runs (nvidia-smi nvlink -sBwMode FULL), or find out who set it.',
      blame: 'configuration',
      confidence: 'high',
      evidence: [
        nvmlEvidence(facts, `bandwidth mode ${plainText(mode, 16)}`, 'nvidia-smi nvlink -gBwMode'),
      ],
      wouldChange: 'A mode that was set on purpose, to save power.',
    }),
  ];
}
