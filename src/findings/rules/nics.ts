import { type Evidence, recordTimes } from '../../contract/finding.ts';
import { known } from '../../contract/reading.ts';
import { durationText } from '../../contract/time.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { Nic } from '../../host/port.ts';
import type { KernelEvent } from '../../xid/events.ts';
import type { Clue } from '../clue.ts';
import { GPU_NAMES, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { median } from '../support/neighbours.ts';
import {
  ASK,
  linesOf,
  linkOf,
  nicsNearGpus,
  type PortAt,
  portBesideGpus,
  portClue,
  portEvidence,
  timeOf,
} from '../support/nics.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/**
 * Network adapters beside the GPUs: a time-out of NCCL is more often the network than a GPU. A port
 * is compared with its own kind: where most are down, they are not cabled and nobody is accused.
 */
export const nics = rule(
  'nics',
  {
    gpu: { tells: [...GPU_NAMES] },
    host: {
      decides: [
        ...['nics', 'nics.pci', 'nics.ports.state', 'nics.ports.rateGbps'],
        'nics.interfaces.operstate',
      ],
      tells: ['nics.ports.physicalState', 'nics.boardId', 'bootId'],
    },
    log: true,
  } as const,
  facts => nicsNearGpus(facts).flatMap(at => fault(facts, at) ?? []),
);

function fault(facts: NodeFacts, at: PortAt): Clue | undefined {
  const link = linkOf(at);
  const active = at.others.filter(other => linkOf(other) === 'up');
  const mostWork = active.length >= 2 && active.length * 2 > at.others.length;
  if (link === 'unknown') return undefined;
  if (link === 'down') {
    // Where half of them or more are down, they may never have had a cable: but not one that was up.
    const was = mostWork ? [] : wasUp(facts, at);
    return mostWork || was.length > 0 ? down(facts, at, active.length, was) : undefined;
  }
  const rate = known(at.port.rateGbps);
  const usual = median(active.flatMap(({ port }) => known(port.rateGbps) ?? []));
  if (mostWork && rate !== undefined && usual !== undefined && rate < usual) {
    return degraded(facts, at, { rate, usual });
  }
  return flapping(facts, at);
}

/** That its link was up in this boot: by the port's own count, else by a line of the kernel log. */
function wasUp(facts: NodeFacts, { nic, port }: PortAt): readonly Evidence[] {
  const downed = port.counters['link_downed'] ?? 0;
  if (downed > 0)
    return [portEvidence({ nic, port }, `link_downed ${downed}: its link was up before`)];
  const boot = known(facts.host.bootId);
  const up = linesOf(facts, nic, ['nic_link_up']).findLast(line => line.boot === boot);
  if (!up) return [];
  return [
    {
      what: plainText(up.text, 200),
      source: plainText(up.source, 128),
      ...recordTimes([up.time]),
      command: COMMAND,
    },
  ];
}

function down(facts: NodeFacts, at: PortAt, working: number, was: readonly Evidence[] = []): Clue {
  const { state, physicalState } = at.port;
  const words =
    at.nic.kind === 'efa'
      ? ['its network interface is down']
      : [known(state), known(physicalState)].map(word => plainText(word ?? '?', 32));
  const disabled = words[1] === 'Disabled';
  return portClue('nic-down', at, {
    severity: 'warning',
    title: `The port ${portBesideGpus(facts, at)} is down`,
    action: 'drain',
    advice: ASK,
    confidence: disabled || was.length > 0 ? 'medium' : 'high',
    evidence: [
      portEvidence(at, `state ${words.join(', ')}; ${working} ports of its kind are active`),
      ...was,
      ...downSince(facts, at.nic),
      ...cableErrors(facts, at.nic),
    ],
    counterEvidence: disabled ? ['the port is switched off, perhaps on purpose'] : [],
  });
}

function degraded(
  facts: NodeFacts,
  at: PortAt,
  { rate, usual }: { rate: number; usual: number },
): Clue {
  return portClue('nic-degraded', at, {
    severity: 'warning',
    title: `The port ${portBesideGpus(facts, at)} runs at ${rate} Gb/s, its neighbours at ${usual} Gb/s`,
    action: 'watch',
    advice: ASK,
    confidence: 'high',
    evidence: [
      portEvidence(at, `rate ${rate} Gb/s; neighbours ${usual} Gb/s`),
      ...ofProduct(facts),
      ...cableErrors(facts, at.nic),
    ],
  });
}

/** By the kernel log, which knows when; else by the port's own count since boot, beside the others. */
function flapping(facts: NodeFacts, at: PortAt): Clue | undefined {
  const { linkFlaps, flapHours } = THRESHOLDS;
  const flaps = flapsOf(facts, at.nic);
  if (flaps.count >= linkFlaps.value) {
    return portClue('nic-flapping', at, {
      severity: flaps.recent ? 'warning' : 'info',
      title: `The port ${portBesideGpus(facts, at)} lost its link ${flaps.count} times in ${flapHours.value} hours`,
      action: 'watch',
      advice: ASK,
      confidence: 'high',
      evidence: [...flaps.evidence, ...cableErrors(facts, at.nic)],
      counterEvidence: ['the port is active now'],
    });
  }
  const downed = at.port.counters['link_downed'] ?? 0;
  const usual = median(at.others.map(({ port }) => port.counters['link_downed'] ?? 0));
  if (usual === undefined || downed < usual + linkFlaps.value) return undefined;
  return portClue('nic-flapping', at, {
    severity: 'warning',
    title: `The port ${portBesideGpus(facts, at)} has lost its link ${downed} times`,
    action: 'watch',
    advice: ASK,
    confidence: 'medium',
    evidence: [portEvidence(at, `link_downed ${downed}; neighbours ${usual}`)],
    counterEvidence: ['the port is active now', 'the counter does not say when'],
  });
}

/** A link that went; `backMs` where it came back. */
interface Loss {
  readonly event: KernelEvent;
  readonly atMs: number;
  readonly backMs?: number;
}

/** Lines without a time say nothing of how long. A log that two sources show tells each line twice. */
function lossesOf(facts: NodeFacts, nic: Nic): readonly Loss[] {
  const losses: Loss[] = [];
  let open: Loss | undefined;
  for (const event of linesOf(facts, nic, ['nic_link_down', 'nic_link_up'])) {
    if (event.time === null) continue;
    if (event.kind === 'nic_link_down') open ??= { event, atMs: timeOf(event) };
    else if (open) {
      losses.push({ ...open, backMs: timeOf(event) });
      open = undefined;
    }
  }
  return open ? [...losses, open] : losses;
}

const COMMAND = 'dmesg -T | grep -iE "link (is )?(up|down)|mlx5_core"';
const HOUR_MS = 3_600_000;

/** How often a link flapped in the worst hours of the log, and whether these are the last ones. */
function flapsOf(
  facts: NodeFacts,
  nic: Nic,
): { readonly count: number; readonly recent: boolean; readonly evidence: readonly Evidence[] } {
  const { flapSeconds, flapHours } = THRESHOLDS;
  const spanMs = flapHours.value * HOUR_MS;
  const flaps = lossesOf(facts, nic).flatMap(({ event, atMs, backMs }) =>
    backMs !== undefined && backMs - atMs >= flapSeconds.value * 1_000
      ? [{ event, atMs, backMs }]
      : [],
  );
  const within = (endMs: number) =>
    flaps.filter(({ atMs }) => atMs <= endMs && atMs > endMs - spanMs);
  const windows = flaps.map(({ atMs }) => within(atMs));
  const last = within(facts.nowMs);
  const worst = [...windows, last].toSorted((a, b) => b.length - a.length)[0] ?? [];
  const recent = last.length >= THRESHOLDS.linkFlaps.value;
  const flapped = recent ? last : worst;
  const newest = flapped.at(-1);
  return {
    count: flapped.length,
    recent,
    evidence: newest
      ? [
          {
            what: `link down for ${flapped
              .slice(-FLAPS_SHOWN)
              .map(({ atMs, backMs }) => durationText(backMs - atMs))
              .join(', ')}, then up again`,
            source: newest.event.source,
            ...recordTimes(flapped.slice(-FLAPS_SHOWN).map(({ event }) => event.time)),
            command: COMMAND,
          },
        ]
      : [],
  };
}

const FLAPS_SHOWN = 4;

/** Since when the link of a port that is down is gone; nothing where the log does not tell. */
function downSince(facts: NodeFacts, nic: Nic): readonly Evidence[] {
  const last = lossesOf(facts, nic).at(-1);
  if (!last || last.backMs !== undefined) return [];
  const seconds = (facts.nowMs - last.atMs) / 1_000;
  const { dropSeconds } = THRESHOLDS;
  return [
    {
      what: `link down for ${durationText(facts.nowMs - last.atMs)}${seconds >= dropSeconds.value ? `, longer than a flap (${dropSeconds.source})` : ''}`,
      source: last.event.source,
      ...(last.event.time === null ? {} : { time: last.event.time }),
      command: COMMAND,
    },
  ];
}

/** The last error of the cable or transceiver; the adapter's own words are a fixed list. */
function cableErrors(facts: NodeFacts, nic: Nic): readonly Evidence[] {
  const last = linesOf(facts, nic, ['nic_module']).at(-1);
  if (!last) return [];
  const { status, error } = last.details;
  return [
    {
      what: `the adapter says: ${[status, error].filter(word => typeof word === 'string').join(', ')}`,
      source: last.source,
      ...(last.time === null ? {} : { time: last.time }),
      command: COMMAND,
    },
  ];
}

/**
 * InfiniBand ports of the machines that NVIDIA builds with a GPU. A machine of another maker or of
 * a cloud may have others: this stands beside a finding and never makes one.
 */
const PORTS: readonly { readonly gpu: RegExp; readonly ports: number; readonly gbps: number }[] = [
  { gpu: /\bA100\b/, ports: 1, gbps: 200 },
  { gpu: /\b(?:H100|H200|B200|GB200)\b/, ports: 8, gbps: 400 },
];

/** What the product of this node's GPUs usually has; nothing for a GPU that nobody lists. */
function ofProduct({ driver }: NodeFacts): readonly Evidence[] {
  const names = driver.gpus.flatMap(gpu => known(gpu.name) ?? []);
  const product = PORTS.find(({ gpu }) => names.length > 0 && names.every(name => gpu.test(name)));
  if (!product) return [];
  const { ports, gbps } = product;
  return [
    {
      what: `to compare: NVIDIA's machines with this GPU have ${ports === 1 ? 'a port' : `${ports} ports`} of ${gbps} Gb/s; clouds differ`,
      source: 'gpud, expected ports by product',
    },
  ];
}

/** Adapters beside GPUs of which the kernel log says that they do not answer, or do not send. */
export const nicFirmware = rule(
  'nic-firmware',
  {
    gpu: { tells: [...GPU_NAMES] },
    host: { decides: ['nics', 'bootId', 'nics.pci'], tells: ['nics.ports.state', 'nics.boardId'] },
    log: true,
  },
  facts =>
    nicsNearGpus(facts)
      .filter(({ nic, port }) => nic.ports[0] === port)
      .flatMap(at => {
        const [dead, stalled] = [['nic_health'], ['nic_stalled']].map(kinds =>
          linesOf(facts, at.nic, kinds),
        );
        return [...silent(facts, at, dead ?? []), ...stuck(facts, at, stalled ?? [])];
      }),
);

function silent(facts: NodeFacts, at: PortAt, events: readonly KernelEvent[]): readonly Clue[] {
  const last = events.at(-1);
  if (!last) return [];
  const boot = known(facts.host.bootId);
  const before = last.boot !== null && boot !== undefined && last.boot !== boot;
  return [
    portClue('nic-firmware', at, {
      // Of a line whose boot cannot be compared nobody knows whether it is over.
      severity: before || boot === undefined ? 'info' : 'warning',
      title: `The adapter of port ${portBesideGpus(facts, at)} ${before ? 'did not answer its driver before the last boot' : 'does not answer its driver'}`,
      action: before ? 'watch' : 'drain',
      advice: before
        ? 'Nothing to do unless it comes back; then have the adapter changed.'
        : 'Drain the node and reboot it; have the adapter changed if it comes back.',
      confidence: linkOf(at) === 'up' ? 'medium' : 'high',
      evidence: [evidenceOf(events, `${last.details['detail']}${times(events)}`)],
      counterEvidence: linkOf(at) === 'up' ? ['its port is active now'] : [],
    }),
  ];
}

function stuck(facts: NodeFacts, at: PortAt, events: readonly KernelEvent[]): readonly Clue[] {
  const last = events.at(-1);
  if (!last) return [];
  return [
    portClue('nic-stalled', at, {
      severity: 'info',
      title: `The adapter of port ${portBesideGpus(facts, at)} sent nothing for seconds`,
      action: 'watch',
      advice: 'Its driver resets the queue by itself: look at port and switch if it repeats.',
      confidence: 'medium',
      evidence: [
        evidenceOf(
          events,
          `NETDEV WATCHDOG: transmit queue ${last.details['queue']} timed out${times(events)}`,
        ),
      ],
    }),
  ];
}

const times = ({ length }: readonly KernelEvent[]): string =>
  length === 1 ? '' : `; ${length} such lines`;

const evidenceOf = (events: readonly KernelEvent[], what: string): Evidence => ({
  what,
  source: events.at(-1)?.source ?? 'kernel log',
  ...recordTimes(events.map(({ time }) => time)),
  command: 'dmesg -T | grep -E "mlx5_core|NETDEV WATCHDOG"',
});
