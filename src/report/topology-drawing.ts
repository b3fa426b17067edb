import { clipped, drawing, element, type Markup } from './markup.ts';
import { counted } from './person-words.ts';
import { brokenLinks, type Gpu, type Nic, type Pair, type Topology } from './topology.ts';

const ROW = 40;
const TOP = 8;
/** Where things stand from left to right, as wide as a phone. */
const X = { hub: 2, hubEnd: 30, gpu: 92, gpuEnd: 172, pcie: 230, pcieEnd: 250, nic: 262, end: 318 };

/** Switches, GPUs, PCIe and NICs from left to right, a row each GPU. */
export function topologyDrawing(topology: Topology, id: string): Markup {
  const { gpus, nics, pairs, switches } = topology;
  const rows = Math.max(gpus.length, nics.length);
  const height = TOP * 2 + rows * ROW;
  const yOf = (place: number) => TOP + (place + 0.5) * ((rows * ROW) / Math.max(1, gpus.length));
  const broken = brokenLinks(topology);
  return drawing(
    {
      title: 'How the GPUs are joined',
      description:
        broken.length === 0
          ? `${counted(gpus.length, 'GPU')}; every link that was read is up.`
          : `${counted(gpus.length, 'GPU')}. Broken: ${broken.join(' ')}`,
      attributes: { class: 'topology', viewBox: `0 0 320 ${height}` },
      id,
    },
    switches === undefined
      ? pairs.map(pair => arc(pair, yOf, pairs.length))
      : bar(X.hub, X.hubEnd, [TOP, height - TOP], 'NVSwitch'),
    numaBars(gpus, yOf),
    nics.map((nic, at) => nicBox(nic, slotOf(nic, at, { nics, yOf, height }))),
    gpus.map((gpu, at) => gpuRow(gpu, yOf(at))),
  );
}

type YOf = (place: number) => number;

const line = (from: readonly [number, number], to: readonly [number, number], isBroken: boolean) =>
  element('line', {
    class: isBroken ? 'link broken' : 'link',
    ...{ x1: from[0], y1: from[1], x2: to[0], y2: to[1] },
  });

const label = (x: number, y: number, words: string, style?: string) =>
  element('text', { x, y, 'text-anchor': 'middle', class: style }, words);

/** A broken link bears a cross, for those who see no colour. */
const cross = (x: number, y: number) =>
  element('path', {
    class: 'cross',
    d: `M${x - 4.5} ${y - 4.5}l9 9m0-9l-9 9`,
  });

function bar(x: number, xEnd: number, [y, yEnd]: readonly [number, number], words: string): Markup {
  const [middleX, middleY] = [(x + xEnd) / 2 + 4, (y + yEnd) / 2];
  return element(
    'g',
    {},
    element('rect', { class: 'box', x, y, width: xEnd - x, height: yEnd - y, rx: 3 }),
    element(
      'text',
      { 'text-anchor': 'middle', transform: `translate(${middleX} ${middleY}) rotate(-90)` },
      words,
    ),
  );
}

function gpuRow(gpu: Gpu, y: number): Markup {
  const { name, pci, isLost, toSwitch, pcie, pcieIsBroken } = gpu;
  const linkBroken = toSwitch !== undefined && toSwitch.down.length > 0;
  const wayBroken = isLost || pcieIsBroken;
  const middle = (X.hubEnd + X.gpu) / 2;
  const way = (X.gpuEnd + X.pcie) / 2;
  return element(
    'g',
    {},
    toSwitch && [
      line([X.hubEnd, y], [X.gpu, y], linkBroken),
      label(
        middle,
        y - 5,
        linkBroken ? `${toSwitch.active} of ${toSwitch.wired}` : `${toSwitch.active}`,
        linkBroken ? 'bad' : undefined,
      ),
      linkBroken ? cross(middle, y) : undefined,
    ],
    line([X.gpuEnd, y], [X.pcie, y], wayBroken),
    label(way, y - 5, isLost ? 'lost' : (pcie ?? ''), wayBroken ? 'bad' : undefined),
    wayBroken ? cross(way, y) : undefined,
    element('rect', {
      class: isLost ? 'box lost' : 'box',
      ...{ x: X.gpu, y: y - 15, width: X.gpuEnd - X.gpu, height: 30, rx: 4 },
    }),
    label((X.gpu + X.gpuEnd) / 2, y - 2, name, 'name'),
    label((X.gpu + X.gpuEnd) / 2, y + 10, clipped(pci, 14)),
  );
}

/** GPUs beside each other that hang on the same part of the machine. */
function numaBars(gpus: readonly Gpu[], yOf: YOf): readonly Markup[] {
  const runs: { readonly numa: string | undefined; from: number; to: number }[] = [];
  for (const [at, { numa }] of gpus.entries()) {
    const last = runs.at(-1);
    if (last && last.numa === numa) last.to = at;
    else runs.push({ numa, from: at, to: at });
  }
  return runs.map(({ numa, from, to }) => {
    const short = to - from < 1;
    const words = numa === undefined ? 'PCIe' : short ? `N${numa}` : `NUMA ${numa}`;
    return bar(X.pcie, X.pcieEnd, [yOf(from) - 16, yOf(to) + 16], clipped(words, short ? 4 : 10));
  });
}

/** NICs stand one below the other, in the order of the GPUs that they are nearest to. */
function slotOf(
  nic: Nic,
  at: number,
  among: { readonly nics: readonly Nic[]; readonly yOf: YOf; readonly height: number },
): number {
  const { nics, yOf, height } = among;
  const wish = ({ near }: Nic) =>
    near.length === 0 ? height : near.reduce((sum, place) => sum + yOf(place), 0) / near.length;
  const order = nics
    .map((other, place) => ({ place, y: wish(other) }))
    .toSorted((a, b) => a.y - b.y || a.place - b.place);
  const rank = order.findIndex(({ place }) => place === at);
  const room = (height - 2 * TOP) / nics.length;
  const spread = TOP + (rank + 0.5) * room;
  // As near to its GPUs as those above and below it leave it.
  return nics.length <= 2 && nic.near.length > 0 ? wish(nic) : spread;
}

function nicBox({ name, ports, isDown, path }: Nic, y: number): Markup {
  const middle = (X.nic + X.end) / 2;
  return element(
    'g',
    {},
    line([X.pcieEnd, y], [X.nic, y], isDown),
    element('rect', {
      class: isDown ? 'box lost' : 'box',
      ...{ x: X.nic, y: y - 15, width: X.end - X.nic, height: 30, rx: 4 },
    }),
    label(middle, y - 2, clipped(name, 9), 'name'),
    label(
      middle,
      y + 10,
      clipped(isDown ? '✕ DOWN' : [path ?? '', portWords(ports)].filter(Boolean).join(' '), 11),
      isDown ? 'bad' : undefined,
    ),
  );
}

/** `400G` of `ACTIVE 400 Gb/s`. */
const portWords = (ports: string): string => {
  const rate = /(\d+) Gb\/s/.exec(ports)?.[1];
  return rate === undefined ? '' : `${rate}G`;
};

/** A direct link between two GPUs, the longer the farther they stand from each other. */
function arc({ ends: [a, b], active, wired, down }: Pair, yOf: YOf, pairs: number): Markup {
  const [from, to] = [yOf(Math.min(a, b)), yOf(Math.max(a, b))];
  const reach = X.gpu - Math.min(82, 16 + (to - from) * 0.42);
  const isBroken = down.length > 0;
  const x = X.gpu - (X.gpu - reach) * 0.75;
  const y = (from + to) / 2;
  const isNamed = isBroken || pairs <= 6;
  return element(
    'g',
    {},
    element('path', {
      class: isBroken ? 'link broken' : 'link',
      d: `M${X.gpu} ${from}C${reach} ${from} ${reach} ${to} ${X.gpu} ${to}`,
    }),
    isBroken ? cross(x, y) : undefined,
    isNamed
      ? label(
          x,
          y + (isBroken ? 15 : 3),
          isBroken ? `${active} of ${wired}` : `NV${active}`,
          isBroken ? 'bad' : 'on',
        )
      : undefined,
  );
}
