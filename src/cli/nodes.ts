import * as z from 'zod';
import { CONNECTION } from '../cluster/connection-flags.ts';
import type { Cluster, NodeState } from '../cluster/port.ts';
import { linesOf } from '../contract/answer.ts';
import { flag } from '../contract/flag.ts';
import type { GpuNode, GpuNodeList } from '../contract/fleet.ts';
import { optional } from '../contract/optional.ts';
import { FORMATS } from '../report/format.ts';
import { withCluster } from './cluster.ts';
import { defineCommand } from './command.ts';
import { OUTPUT, TARGET } from './flags.ts';
import { write } from './io.ts';
import { hasGpus } from './node-sessions.ts';
import { print } from './print.ts';
import { SUMMARIES } from './summaries.ts';

const FORMS = [...FORMATS, 'wide', 'name'] as const;

/** Which nodes have GPUs and what the cluster says of them; no pod. */
export const nodes = defineCommand({
  ...SUMMARIES.nodes,
  flags: {
    ...CONNECTION,
    selector: TARGET.selector,
    ...OUTPUT,
    output: flag(z.enum(FORMS), {
      description: 'How the answer is written',
      type: 'string',
      alias: 'o',
      choices: FORMS,
      default: 'text',
    }),
  },
  run: invocation =>
    withCluster(invocation, async cluster => {
      const { args, io } = invocation;
      const { output, selector } = args;
      const { items, all } = await gpuNodes(cluster, selector, io.signal);
      if (output === 'name') {
        await write(io.stdout, items.map(({ node }) => `node/${node}\n`).join(''));
        return 0;
      }
      const list: GpuNodeList = { apiVersion: 'gpu-mcp/v1', kind: 'GpuNodeList', items };
      const isWide = output === 'wide';
      const answer = {
        title: 'GPU nodes',
        lines: linesOf(pageOf(items, all, isWide)),
        structured: { ...list },
      };
      await print(answer, { io, args: { ...args, output: isWide ? 'text' : output } });
      return 0;
    }),
});

/** The nodes with GPUs, or all that a selector chooses; how many there are in all. */
export async function gpuNodes(
  cluster: Cluster,
  selector: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly items: GpuNode[]; readonly all: number }> {
  const all = await cluster.listNodes(selector ?? '', signal);
  const shown = selector === undefined ? all.filter(hasGpus) : all;
  return { items: shown.map(gpuNode), all: all.length };
}

function gpuNode({ labels, ...node }: NodeState): GpuNode {
  const ready = node.conditions.find(condition => condition.type === 'Ready');
  const quantity = (of: NodeState['capacity']) => of['nvidia.com/gpu'];
  const number = (text = '') => (/^\d{1,6}$/.test(text) ? Number(text) : undefined);
  return {
    node: node.name,
    ready: ready?.status === 'True' ? 'Ready' : ready?.status === 'False' ? 'NotReady' : 'Unknown',
    ...optional({
      gpus: number(quantity(node.capacity)),
      allocatable:
        quantity(node.capacity) === undefined
          ? undefined
          : (number(quantity(node.allocatable)) ?? 0),
      labelledGpus: number(labels['nvidia.com/gpu.count']),
      product: labels['nvidia.com/gpu.product'],
      driver: labels['nvidia.com/cuda.driver-version.full'],
      instanceType: labels['node.kubernetes.io/instance-type'],
    }),
    labelled: 'nvidia.com/gpu.count' in labels || 'nvidia.com/gpu.present' in labels,
    cordoned: node.unschedulable,
    taints: node.taints.map(({ key, value, effect }) => ({ key, value, effect })),
    conditions: node.conditions
      .filter(({ type, status }) => type !== 'Ready' && status === 'True')
      .map(({ type }) => type),
    os: node.osImage,
    kubelet: node.kubeletVersion,
  };
}

export function pageOf(items: readonly GpuNode[], all: number, isWide: boolean): readonly string[] {
  if (items.length === 0) {
    return [
      `none of ${all} nodes offers nvidia.com/gpu or is labelled with it; name a node all the same: kubectl gpu-mcp triage NODE`,
    ];
  }
  const columns = isWide ? [...COLUMNS, ...WIDE_COLUMNS] : COLUMNS;
  return table(
    columns.map(([head]) => head),
    items.map(item => columns.map(([, cell]) => cell(item))),
  );
}

type Column = readonly [head: string, cell: (node: GpuNode) => string];

const COLUMNS: readonly Column[] = [
  ['NODE', ({ node }) => node],
  ['STATUS', ({ ready }) => ready],
  ['GPUS', gpusCell],
  ['PRODUCT', ({ product = '' }) => product],
  ['OS', ({ os }) => os],
  ['STATE', stateCell],
];
const WIDE_COLUMNS: readonly Column[] = [
  ['DRIVER', ({ driver = '' }) => driver],
  ['KUBELET', ({ kubelet }) => kubelet],
  ['INSTANCE', ({ instanceType = '' }) => instanceType],
];

function gpusCell({ gpus, allocatable, labelled }: GpuNode): string {
  if (gpus !== undefined) return `${allocatable} of ${gpus}`;
  return labelled ? 'none offered' : '-';
}

function stateCell({ cordoned, taints, conditions }: GpuNode): string {
  const words = taints.map(({ key, effect }) => `${key}:${effect}`);
  return [...(cordoned ? ['cordoned'] : []), ...words, ...conditions].join(' ');
}

/** A table as kubectl prints it: upper-case heads, columns padded, three spaces between. */
function table(heads: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map(row => row[column]?.length ?? 0)),
  );
  return [heads, ...rows].map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}
