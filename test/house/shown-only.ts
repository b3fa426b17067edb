import type { ANY, Part, Path } from '../../src/findings/labels.ts';
import type { RULES } from '../../src/findings/rules.ts';

/** Readings that no rule looks at, each with the reason. */
type Row = { readonly why: string } & { readonly [P in Part]?: readonly Path<P>[] };

/**
 * A reading of a full read is used by a rule or stands here. Whoever adds one decides which: the
 * types below do not compile where it stands in neither.
 */
export const SHOWN_ONLY = [
  {
    why: 'says which thing it is and where it sits, and nothing of how it is',
    gpu: [
      ...['serial', 'boardPartNumber', 'boardId', 'multiGpuBoard', 'brand'],
      ...['bridgeChips', 'platform', 'cpuAffinity', 'memoryAffinity'],
      'nvlinks.links.version',
    ],
    driver: ['driverVersion', 'nvmlVersion', 'cudaDriverVersion', 'topology', 'topology.path'],
    host: ['hostname', 'os', 'vendor'],
    owner: ['startedAfterBootSeconds', 'uid', 'gpuEnvironment'],
  },
  {
    why: 'a setting, of which any value may be meant',
    gpu: [
      ...['accountingMode', 'addressingMode', 'hostVgpuMode'],
      'defaultApplicationMemoryClockMhz',
      ...['power.requestedLimitMw', 'power.moduleLimitMw'],
    ],
    driver: ['topology.p2pRead'],
    host: ['driverFiles.parameters'],
  },
  {
    why: 'a part of a GPU that someone has made: whatever it is, it was asked for',
    gpu: [
      ...['migProfiles', 'migProfiles.remaining', 'migInstances.gpuInstance'],
      ...['migInstances.computeInstance', 'migInstances.uuid', 'migInstances.profile'],
      ...['migInstances.profileId', 'migInstances.placement', 'migInstances.slices'],
      ...['migInstances.totalBytes', 'migInstances.usedBytes'],
    ],
  },
  {
    why: 'a value of one moment or of load, for which nobody gives a limit',
    gpu: [
      ...['energyMj', 'power.instantMw', 'power.averageMw', 'power.memoryInstantMw'],
      'graphicsClockMhz',
      ...['engines.encoderPercent', 'engines.decoderPercent', 'engines.jpegPercent'],
      ...['engines.ofaPercent', 'gpm.smActivePercent', 'gpm.smOccupancyPercent'],
      ...['gpm.tensorActivePercent', 'gpm.dramBandwidthPercent', 'gpm.fp64ActivePercent'],
      ...['gpm.fp32ActivePercent', 'gpm.fp16ActivePercent', 'gpm.pcieTxMibPerSecond'],
      ...['gpm.pcieRxMibPerSecond', 'gpm.nvlinkTxMibPerSecond', 'gpm.nvlinkRxMibPerSecond'],
      ...['pcieCounters.txBytes', 'pcieCounters.rxBytes', 'lastBlackBoxFlushMs'],
      ...['nvlinkTraffic.sentKib', 'nvlinkTraffic.receivedKib'],
    ],
    host: ['resources.load', 'resources.load.cpus', 'resources.pressure.cpu'],
    owner: ['state'],
  },
  {
    why: 'a limit or a highest value: what it bounds is judged by another one',
    gpu: [
      ...['thermal.slowdownTlimitC', 'thermal.memoryMaxTlimitC', 'thermal.gpuMaxTlimitC'],
      ...['power.minLimitMw', 'power.maxLimitMw', 'maxGraphicsClockMhz'],
    ],
    host: ['pciDevices.maxLinkWidth'],
  },
  {
    why: 'counts what a GPU has met in its whole life, and what was repaired: no fault of now',
    gpu: ['eccByLocation.sramUncorrectedAggregate', 'eccByLocation.dramUncorrectedAggregate'],
  },
  {
    why: 'counts up under normal load and while clocks are as they were set',
    gpu: [
      ...['violations.powerNs', 'violations.syncBoostNs', 'violations.boardLimitNs'],
      ...['violations.lowUtilizationNs', 'violations.reliabilityNs'],
    ],
  },
  {
    why: 'counts each change of speed and each waking of the link: no error',
    gpu: ['pcieCounters.l0ToRecovery'],
  },
  {
    why: 'this project knows no bound between well and ill',
    host: ['nics.interfaces.speedMbps', 'containers.openFiles'],
  },
  { why: 'how much was looked at: what was left out is a gap', host: ['processesLeftOut'] },
  { why: 'the kernel log tells each of these kills', host: ['resources.oomKills'] },
  {
    why: 'of bridges: it may be of another device below the same bridge',
    host: [
      ...['pciDevices.bridges.currentLinkSpeed', 'pciDevices.bridges.aerNonFatal'],
      'pciDevices.bridges.aerCorrectable',
    ],
  },
  {
    why: 'in bundles only: no rule and no answer uses it so far',
    host: [
      ...['pciDevices.numaNode', 'driverFiles.nodes'],
      ...['driverFiles.nodes.major', 'driverFiles.nodes.minor', 'driverFiles.nodes.mode'],
      ...['nics.numaNode', 'nics.firmware', 'nics.ports.linkLayer'],
      ...['nics.currentLinkSpeed', 'nics.currentLinkWidth', 'nics.maxLinkSpeed'],
      'nics.maxLinkWidth',
    ],
  },
] as const satisfies readonly Row[];

/** The paths of one part that a list of objects names. */
type Named<P extends Part, Of> = Of extends { readonly [K in P]: infer Paths } ? Paths : never;
type Items<List> = List extends readonly (infer Item)[] ? Item : never;
type Used<P extends Part> =
  Named<P, (typeof RULES)[number]['reads']> extends infer Reads
    ? Reads extends { readonly decides?: infer Decides; readonly tells?: infer Tells }
      ? Items<Decides> | Items<Tells>
      : never
    : never;
type Shown<P extends Part> = Items<Named<P, (typeof SHOWN_ONLY)[number]>>;

type InNeither = { [P in Part]: Exclude<Path<P>, Used<P> | Shown<P> | typeof ANY> }[Part];
type InBoth = { [P in Part]: Extract<Used<P>, Shown<P>> }[Part];

type None<Paths extends never> = Paths;
/** Does not compile where a reading is used by no rule and not shown only, or both. */
export type EveryReadingHasOnePlace = None<InNeither> | None<InBoth>;
