import type { Evidence } from '../../contract/finding.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import type { DaemonKind } from '../../host/port.ts';
import type { Fabric, GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, gpuRef, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { THRESHOLDS } from '../support/thresholds.ts';
import { linksOf } from './nvlink-errors.ts';
import { misfitByLog, misfitOf, unreadVersion } from './stack-versions.ts';

/** Registration with the NVLink fabric, the daemon that makes it, and what the fabric says of itself. */
export const fabric = rule(
  'fabric',
  {
    gpu: {
      decides: ['fabric', 'computeCapability', 'nvlinks', 'nvlinks.links.remoteType', 'c2c'],
      tells: [...GPU_NAMES, 'migMode'],
    },
    host: {
      decides: ['pciDevices', 'daemons'],
      tells: ['uptimeSeconds', 'moduleVersion', 'driverFiles.packages'],
    },
    log: true,
  },
  facts => [...registration(facts), ...membership(facts), ...health(facts)],
);

function registration(facts: NodeFacts): readonly Clue[] {
  const waiting = facts.driver.gpus.filter(isWaiting);
  const refused = facts.driver.gpus.filter(isRefused);
  const outside = facts.driver.gpus.filter(gpu => isOutside(facts, gpu));
  const bad = [...waiting, ...refused, ...outside];
  const manager = managerState(facts);
  if (manager === 'missing') return [managerMissing(facts, bad)];
  if (bad.length === 0) return [];
  const most = bad.length * 2 > facts.driver.gpus.length || bad.length === facts.driver.gpus.length;
  if (most) return [notReady(facts, bad)];
  return bad.map(gpu => notReadyGpu(facts, gpu));
}

const isWaiting = (gpu: GpuState): boolean => {
  const state = known(gpu.fabric)?.state;
  return state === 'not_started' || state === 'in_progress';
};
const isRefused = (gpu: GpuState): boolean => {
  const fabric = known(gpu.fabric);
  return fabric?.state === 'completed' && fabric.status !== 'success';
};

const hasNone = ({ fabric }: GpuState): boolean => known(fabric)?.state === 'not_supported';

/** The driver knows of no fabric although the GPU hangs on switches, or its neighbours are in one. */
function isOutside({ driver, host }: NodeFacts, gpu: GpuState): boolean {
  if (!hasNone(gpu) || known(gpu.migMode)?.current) return false;
  const like = driver.gpus.filter(other => known(other.name) === known(gpu.name));
  if (like.some(other => other.fabric.ok && !hasNone(other))) return true;
  // From Hopper on GPUs register; those before have the same switches and no such state.
  const [generation = '0'] = (known(gpu.computeCapability) ?? '').split('.');
  const onBus = known(host.pciDevices)?.some(({ kind }) => kind === 'nvswitch') === true;
  return Number(generation) >= HOPPER && (endsAtSwitch(gpu) || (onBus && linksOf(gpu).length > 0));
}

const HOPPER = 9;

const endsAtSwitch = (gpu: GpuState): boolean =>
  linksOf(gpu).some(({ remoteType }) => known(remoteType) === 'switch');

const MANAGERS: readonly DaemonKind[] = ['fabric_manager', 'nvlink_subnet_manager'];

/** Only this machine's own switches need a daemon here; in racks (NVL72) it runs on the switch trays. */
function managerState(facts: NodeFacts): 'running' | 'missing' | 'not needed' | 'unknown' {
  const switches = known(facts.host.pciDevices)?.filter(
    ({ kind, driver }) => kind === 'nvswitch' && (driver === undefined || /^nvidia/.test(driver)),
  );
  if (!switches || switches.length === 0) return 'not needed';
  const daemons = known(facts.host.daemons);
  // A node on which not one daemon is seen tells more of our view than of the node.
  if (!daemons || daemons.length === 0) return 'unknown';
  return daemons.some(({ kind, state }) => MANAGERS.includes(kind) && state !== 'Z')
    ? 'running'
    : 'missing';
}

const stateText = (gpu: GpuState): string => {
  const fabric = known(gpu.fabric);
  return fabric?.state === 'completed' ? `completed with ${fabric.status}` : String(fabric?.state);
};

const stateEvidence = (facts: NodeFacts, gpus: readonly GpuState[]): readonly Evidence[] =>
  [...Map.groupBy(gpus, stateText)].map(([state, members]) =>
    nvmlEvidence(
      facts,
      `fabric state ${state} on GPU ${members.map(({ index }) => index).join(', ')}`,
      'nvidia-smi -q | grep -A4 Fabric',
    ),
  );

function managerMissing(facts: NodeFacts, bad: readonly GpuState[]): Clue {
  const ready = facts.driver.gpus.filter(gpu => known(gpu.fabric)?.state === 'completed');
  const stillUp = bad.length === 0 && ready.length > 0;
  // It ends at once beside a driver of another version: NVIDIA/gpu-driver-container issue 735.
  const misfit =
    misfitOf(facts.host, 'fabricmanager') ?? misfitByLog(facts.host, facts.log?.events ?? []);
  const unread = unreadVersion(facts.host, 'fabricmanager');
  return nodeClue('fabric-manager-missing', {
    severity: stillUp ? 'warning' : 'critical',
    component: 'fabric',
    ...(bad.length > 0 ? { gpus: bad.map(gpuRef) } : {}),
    title: `This machine has NVSwitches, but no fabric manager runs${misfit ? `: installed is ${misfit.installed}, the driver is ${misfit.loaded}` : ''}${bad.length > 0 ? `; ${bad.length} GPUs are not registered with the fabric` : ''}`,
    action: 'fix_configuration',
    advice: `${
      misfit
        ? `Install nvidia-fabricmanager ${misfit.loaded} and start it: one of ${misfit.installed} ends at once beside this driver`
        : 'Start nvidia-fabricmanager, of exactly the version of the driver, and read its log'
    }; without it CUDA fails with error 802 (system not yet initialized).`,
    blame: 'configuration',
    confidence: 'high',
    evidence: [
      {
        what: 'no process of the fabric manager',
        source: '/proc',
        command: 'systemctl status nvidia-fabricmanager; pgrep -a fabricmanager',
      },
      ...(misfit ? [misfit.evidence] : []),
      ...stateEvidence(facts, bad),
    ],
    counterEvidence: [
      ...(stillUp
        ? [`${ready.length} GPUs were registered before it ended: running jobs go on`]
        : []),
      ...(misfit || unread === undefined
        ? []
        : [`which version of it is installed was not read: ${unread}`]),
    ],
    wouldChange:
      'A fabric manager on another machine, as where a host serves the switches of its guests.',
  });
}

function notReady(facts: NodeFacts, gpus: readonly GpuState[]): Clue {
  const { starting, ...common } = notReadyParts(facts);
  return nodeClue('fabric-not-ready', {
    ...common,
    gpus: gpus.map(gpuRef),
    title: `${gpus.length} of ${facts.driver.gpus.length} GPUs are not registered with the NVLink fabric${starting ? ' yet' : ''}`,
    evidence: [...stateEvidence(facts, gpus)],
  });
}

function notReadyGpu(facts: NodeFacts, gpu: GpuState): Clue {
  const { starting, ...common } = notReadyParts(facts);
  return gpuClue(gpu, 'fabric-not-ready', {
    cause: 'nvlink',
    sign: `fabric state ${stateText(gpu)}`,
    ...common,
    title: `${gpuName(gpu)} is not registered with the NVLink fabric${starting ? ' yet' : ''}`,
    evidence: [...stateEvidence(facts, [gpu])],
  });
}

function notReadyParts(facts: NodeFacts) {
  const uptime = known(facts.host.uptimeSeconds);
  const starting = uptime !== undefined && uptime < THRESHOLDS.fabricStartSeconds.value;
  return {
    starting,
    severity: starting ? ('warning' as const) : ('critical' as const),
    component: 'fabric',
    action: starting ? ('watch' as const) : ('fix_configuration' as const),
    advice: starting
      ? 'The node has just booted: ask again in some minutes.'
      : 'Read the log of the fabric manager (/var/log/fabricmanager.log) and compare its version with the driver; CUDA fails with error 802 until it is done.',
    blame: 'fabric' as const,
    confidence: 'high' as const,
    wouldChange: 'A state of completed in a later reading.',
  };
}

/** GPUs of one node are in one clique of one cluster: NVLink does not lead from one to another. */
function membership(facts: NodeFacts): readonly Clue[] {
  const members = facts.driver.gpus.filter(gpu => {
    const fabric = known(gpu.fabric);
    return fabric?.state === 'completed' && fabric.status === 'success';
  });
  const [largest, ...others] = [...Map.groupBy(members, placeOf).values()].toSorted(
    (a, b) => b.length - a.length,
  );
  if (largest && others.length > 0) return [divided(facts, largest, others.flat())];
  // A rack of NVLink switches is a cluster with a name; a machine by itself may have none.
  const nameless = members.filter(
    gpu => known(gpu.fabric)?.clusterUuid === undefined && gpu.c2c.ok && endsAtSwitch(gpu),
  );
  return nameless.length === 0 ? [] : [noCluster(facts, nameless)];
}

const placeOf = (gpu: GpuState): string => {
  const fabric = known(gpu.fabric);
  return `clique ${fabric?.cliqueId} of cluster ${fabric?.clusterUuid ?? '0'}`;
};

const MEMBERSHIP = {
  severity: 'warning',
  component: 'fabric',
  action: 'fix_configuration',
  advice:
    'Move jobs over several nodes away; look at the partitions of this NVLink domain (fabric manager, NMX) and reset the GPUs when they are right.',
  blame: 'fabric',
  confidence: 'high',
} as const;

const placesEvidence = (facts: NodeFacts, gpus: readonly GpuState[]) =>
  [...Map.groupBy(gpus, placeOf)].map(([place, members]) =>
    nvmlEvidence(
      facts,
      `${place}: GPU ${members.map(({ index }) => index).join(', ')}`,
      'nvidia-smi -q | grep -A8 Fabric',
    ),
  );

const divided = (facts: NodeFacts, most: readonly GpuState[], others: readonly GpuState[]): Clue =>
  nodeClue('fabric-divided', {
    ...MEMBERSHIP,
    gpus: others.map(gpuRef),
    title: `${others.length} of ${facts.driver.gpus.length} GPUs are in another clique of the NVLink fabric than the others`,
    evidence: placesEvidence(facts, [...most, ...others]),
    wouldChange: 'A partition of this node that someone made on purpose.',
  });

const noCluster = (facts: NodeFacts, gpus: readonly GpuState[]): Clue =>
  nodeClue('fabric-no-cluster', {
    ...MEMBERSHIP,
    gpus: gpus.map(gpuRef),
    title: `${gpus.length} GPUs are registered with the NVLink fabric and belong to no cluster: its UUID is zero`,
    evidence: placesEvidence(facts, gpus),
    wouldChange: 'A UUID that is not zero in a later reading.',
  });

/**
 * What the fabric says of itself. Each field of nvml.h's health mask has two bits, 1 is a fault and
 * 2 is healthy: a mask that is not zero is no fault, and one of zeros says nothing.
 */
function health(facts: NodeFacts): readonly Clue[] {
  const bad = facts.driver.gpus.flatMap(gpu => {
    const fabric = known(gpu.fabric);
    const faults = fabric?.state === 'completed' ? faultsOf(fabric) : [];
    return faults.length > 0 ? [{ gpu, faults }] : [];
  });
  const most = bad.length >= 3 && bad.length * 2 > facts.driver.gpus.length;
  if (most) return [nodeUnhealthy(facts, bad)];
  return bad.map(({ gpu, faults }) =>
    gpuClue(gpu, 'fabric-unhealthy', {
      cause: 'nvlink',
      sign: `the fabric reports ${faults.join(', ')}`,
      ...unhealthyParts(faults),
      title: `The NVLink fabric of ${gpuName(gpu)} reports ${faults.join(', ')}`,
      evidence: [healthEvidence(facts, gpu, faults)],
    }),
  );
}

function faultsOf({ health, summary }: Fabric): readonly string[] {
  const wrong = health?.incorrectConfiguration;
  const named = health
    ? [
        health.degradedBandwidth === 'fault' ? 'degraded bandwidth' : '',
        health.routeRecovery === 'fault' ? 'a route recovery under way' : '',
        health.routeUnhealthy === 'fault' ? 'an unhealthy route' : '',
        health.accessTimeoutRecovery === 'fault' ? 'a recovery from an access time-out' : '',
        wrong === undefined || wrong === 'none' || wrong === 'not_supported'
          ? ''
          : `an incorrect configuration (${wrong})`,
      ].filter(fault => fault !== '')
    : [];
  if (named.length > 0) return named;
  if (summary === 'unhealthy') return ['bad health'];
  return summary === 'limited_capacity' ? ['limited capacity'] : [];
}

function unhealthyParts(faults: readonly string[]) {
  const slow = faults.every(fault => /degraded|limited|under way/.test(fault));
  return {
    severity: slow ? ('warning' as const) : ('critical' as const),
    component: 'fabric',
    action: slow ? ('watch' as const) : ('drain' as const),
    advice: slow
      ? 'Jobs over NVLink run slower: look at the switches and cables of this NVLink domain.'
      : 'Move multi-GPU work away; look at the fabric manager (or NMX) and the switches of this NVLink domain.',
    blame: 'fabric' as const,
    confidence: 'high' as const,
    wouldChange: 'A health mask without a fault in a later reading.',
  };
}

const healthEvidence = (facts: NodeFacts, gpu: GpuState, faults: readonly string[]) => {
  const mask = known(gpu.fabric)?.health?.mask;
  return nvmlEvidence(
    facts,
    `GPU ${gpu.index}: ${faults.join(', ')}${mask === undefined ? '' : ` (health mask 0x${mask.toString(16)})`}`,
    shell`nvidia-smi -i ${gpu.index} -q | grep -A12 Fabric`,
  );
};

function nodeUnhealthy(
  facts: NodeFacts,
  bad: readonly { readonly gpu: GpuState; readonly faults: readonly string[] }[],
): Clue {
  const faults = [...new Set(bad.flatMap(({ faults }) => faults))];
  return nodeClue('fabric-unhealthy', {
    ...unhealthyParts(faults),
    gpus: bad.map(({ gpu }) => gpuRef(gpu)),
    title: `The NVLink fabric of ${bad.length} of ${facts.driver.gpus.length} GPUs reports ${faults.join(', ')}`,
    evidence: bad.slice(0, 4).map(({ gpu, faults: own }) => healthEvidence(facts, gpu, own)),
  });
}

/**
 * A member of an NVLink domain over several nodes without IMEX: memory is not shared between nodes
 * then. The DRA driver starts IMEX with a job, so that its absence is a remark and no fault.
 */
export const imex = rule(
  'imex',
  { gpu: { tells: ['name', 'fabric'] }, host: { tells: ['daemons'] } },
  facts => {
    const daemons = known(facts.host.daemons);
    const [member] = facts.driver.gpus.filter(gpu => known(gpu.fabric)?.clusterUuid !== undefined);
    if (!member || !daemons || daemons.length === 0) return [];
    // Hopper may name a cluster on a machine that stands alone (torchcomms 1315).
    if (!/GB\d00/.test(known(member.name) ?? '')) return [];
    if (daemons.some(({ kind }) => kind === 'imex')) return [];
    return [
      nodeClue('imex-not-running', {
        severity: 'info',
        component: 'fabric',
        title: 'No IMEX daemon runs on this node of a multi-node NVLink domain',
        action: 'watch',
        advice:
          'Jobs that use NVLink between nodes need it: nvidia-imex as a service, or a ComputeDomain of the DRA driver.',
        blame: 'configuration',
        confidence: 'medium',
        evidence: [
          nvmlEvidence(facts, `clique ${known(member.fabric)?.cliqueId}`, 'nvidia-imex-ctl -N'),
        ],
      }),
    ];
  },
);
