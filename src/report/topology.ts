import type { TopologyFacts } from '../tools/catalog/get-nvlink-topology.ts';
import type { TriageFacts } from '../tools/support/triage-facts.ts';
import { isAbout } from './gpu-table.ts';
import { element, type Markup } from './markup.ts';
import { counted, rangesText } from './person-words.ts';

export interface Links {
  readonly active: number;
  readonly wired: number;
  /** Numbers of those that are not up. */
  readonly down: readonly number[];
}

export interface Gpu {
  readonly name: string;
  readonly pci: string;
  /** The driver cannot open it. */
  readonly isLost: boolean;
  /** Its links to NVSwitches, where it has such. */
  readonly toSwitch?: Links;
  /** `Gen5 x16`. */
  readonly pcie?: string;
  /** A finding says that its way over PCIe is not as it should be. */
  readonly pcieIsBroken: boolean;
  readonly numa?: string;
}

export interface Pair extends Links {
  /** Places in `gpus`. */
  readonly ends: readonly [number, number];
}

export interface Nic {
  readonly name: string;
  readonly ports: string;
  readonly isDown: boolean;
  readonly near: readonly number[];
  /** `PIX`, `PXB`: how near. */
  readonly path?: string;
}

/** How the GPUs of a node are joined with each other and with the world, and where that is broken. */
export interface Topology {
  /** `4 NVSwitches`, or that they stand outside of the node. */
  readonly switches?: string;
  readonly gpus: readonly Gpu[];
  readonly pairs: readonly Pair[];
  readonly nics: readonly Nic[];
}

type Row = TopologyFacts['gpus'][number];
type Link = NonNullable<Row['links']>[number];

/** Links are told one by one: the facts are those of `detail full`. */
export function topologyOf(
  { gpus: rows, findings }: Pick<TriageFacts, 'gpus' | 'findings'>,
  facts: Pick<TopologyFacts, 'gpus' | 'switches' | 'nics'>,
): Topology {
  const ofPcie = findings.filter(
    ({ component, severity }) => component === 'pcie' && severity !== 'info',
  );
  const gpus = facts.gpus.map((row): Gpu => {
    const known = rows.find(({ index, pci }) =>
      row.index === undefined ? pci === row.pci : index === row.index,
    );
    const toSwitch = (row.links ?? []).filter(({ remoteType }) => remoteType === 'switch');
    const { pcieGenerationCurrent: generation, pcieWidthCurrent: width } = known ?? {};
    const pcie = [
      ...(generation === undefined ? [] : [`Gen${generation}`]),
      ...(width === undefined ? [] : [`x${width}`]),
    ].join(' ');
    return {
      name: row.index === undefined ? 'GPU ?' : `GPU ${row.index}`,
      pci: row.pci ?? '',
      isLost: row.error !== undefined,
      ...(toSwitch.length > 0 && { toSwitch: linksOf(toSwitch) }),
      ...(pcie !== '' && { pcie }),
      pcieIsBroken: known !== undefined && ofPcie.some(finding => isAbout(finding, known)),
      ...(row.numaNode !== undefined && { numa: row.numaNode }),
    };
  });
  const isSwitched = gpus.some(({ toSwitch }) => toSwitch);
  return {
    ...(isSwitched && {
      switches:
        facts.switches === 0
          ? 'NVSwitches outside of the node'
          : counted(facts.switches, 'NVSwitch', 'NVSwitches'),
    }),
    gpus,
    pairs: pairsOf(facts.gpus),
    nics: facts.nics.map(nic => nicOf(nic, facts.gpus)),
  };
}

function linksOf(links: readonly Link[]): Links {
  const down = links.filter(({ state }) => state !== 'active').map(({ link }) => link);
  return { wired: links.length, active: links.length - down.length, down };
}

/** Links from one GPU straight to another, by the end that says the worse of them. */
function pairsOf(rows: readonly Row[]): readonly Pair[] {
  const pairs = new Map<string, Pair>();
  for (const [from, row] of rows.entries()) {
    const direct = (row.links ?? []).filter(({ remoteType }) => remoteType !== 'switch');
    const byFarEnd = Map.groupBy(direct, ({ remotePci }) =>
      rows.findIndex(({ pci }) => pci !== undefined && pci === remotePci),
    );
    for (const [to, links] of byFarEnd) {
      if (to < 0) continue;
      const ends = [Math.min(from, to), Math.max(from, to)] as const;
      const pair = { ends, ...linksOf(links) };
      const other = pairs.get(ends.join());
      if (!other || other.down.length < pair.down.length) pairs.set(ends.join(), pair);
    }
  }
  return [...pairs.values()];
}

function nicOf(
  { name, ports, nearest, path }: TopologyFacts['nics'][number],
  rows: readonly Row[],
): Nic {
  return {
    name,
    ports: ports.join(', '),
    isDown: ports.length > 0 && ports.every(port => /^(?:down|disabled)\b/i.test(port)),
    near: nearest
      .map(index => rows.findIndex(row => row.index === index))
      .filter(place => place >= 0),
    ...(path !== undefined && { path }),
  };
}

/** What is broken, a sentence each. */
export function brokenLinks({ gpus, pairs, nics }: Topology): readonly string[] {
  const numbers = (links: readonly number[]) => `link ${rangesText(links)} down`;
  return [
    ...gpus
      .filter(({ isLost }) => isLost)
      .map(({ name }) => `${name}: the driver cannot open it; its links were not read.`),
    ...gpus.flatMap(({ name, toSwitch }) =>
      toSwitch && toSwitch.down.length > 0
        ? [
            `${name} to NVSwitch: ${toSwitch.active} of ${toSwitch.wired} links active, ${numbers(toSwitch.down)}.`,
          ]
        : [],
    ),
    ...pairs
      .filter(({ down }) => down.length > 0)
      .map(
        ({ ends: [a, b], active, wired, down }) =>
          `${gpus[a]?.name} to ${gpus[b]?.name}: ${active} of ${wired} links active, ${numbers(down)}.`,
      ),
    ...gpus
      .filter(({ pcieIsBroken, isLost }) => pcieIsBroken && !isLost)
      .map(({ name, pcie }) => `${name} to PCIe: ${pcie ?? 'not read'}, see the findings.`),
    ...nics.filter(({ isDown }) => isDown).map(({ name, ports }) => `NIC ${name}: ${ports}.`),
  ];
}

/** `NIC mlx5_0: ACTIVE 400 Gb/s, nearest GPU 0, 1 (PXB)`. */
export function nicWords({ name, ports, near, path }: Nic, { gpus }: Topology): string {
  const names = near.flatMap(place => gpus[place]?.name ?? []).join(', ');
  const way = path === undefined ? '' : ` (${path})`;
  return `NIC ${name}: ${ports === '' ? 'no port' : ports}${names === '' ? '' : `, nearest ${names}${way}`}.`;
}

const COLUMNS = ['GPU', 'NVLinks active', 'PCIe', 'NUMA'];

/** The same in words, a row each GPU. */
export function topologyTable(topology: Topology): Markup {
  const cells = (...words: readonly string[]) =>
    element(
      'tr',
      {},
      words.map(word => element('td', {}, word)),
    );
  return element(
    'table',
    {},
    element(
      'thead',
      {},
      element(
        'tr',
        {},
        COLUMNS.map(words => element('th', { scope: 'col' }, words)),
      ),
    ),
    element(
      'tbody',
      {},
      topology.gpus.map((gpu, place) => {
        const pcie = gpu.isLost ? 'not read' : (gpu.pcie ?? 'not read');
        return cells(gpu.name, linksWords(topology, place), pcie, gpu.numa ?? 'not told');
      }),
    ),
  );
}

function linksWords({ gpus, pairs }: Topology, place: number): string {
  const gpu = gpus[place];
  if (!gpu || gpu.isLost) return 'not read';
  const own = gpu.toSwitch ? [gpu.toSwitch] : pairs.filter(({ ends }) => ends.includes(place));
  const sum = (of: (links: Links) => number) => own.reduce((total, links) => total + of(links), 0);
  return own.length === 0
    ? 'none'
    : `${sum(({ active }) => active)} of ${sum(({ wired }) => wired)}`;
}
