import { CONNECTION } from '../cluster/connection-flags.ts';
import type { NodeState } from '../cluster/port.ts';
import { linesOf } from '../contract/answer.ts';
import { optional } from '../contract/optional.ts';
import { withCluster } from './cluster.ts';
import { defineCommand } from './command.ts';
import { OUTPUT, TARGET } from './flags.ts';
import { print } from './print.ts';

/** Which nodes have GPUs and what the cluster says of them; no pod. */
export const nodes = defineCommand({
  command: 'nodes',
  description: 'Lists the nodes with GPUs and what the cluster says of them (no pod)',
  flags: { ...CONNECTION, selector: TARGET.selector, ...OUTPUT },
  run: invocation =>
    withCluster(invocation, async cluster => {
      const { args, io } = invocation;
      const all = await cluster.listNodes(args.selector ?? '', io.signal);
      const rows = all.map(nodeRow);
      const shown = args.selector === undefined ? rows.filter(row => row.gpus !== undefined) : rows;
      const lines = linesOf(pageOf(shown, all.length));
      await print({ title: 'GPU nodes', lines, structured: { nodes: shown } }, invocation);
      return 0;
    }),
});

interface NodeRow {
  readonly node: string;
  readonly ready: string;
  /** Absent where the node neither offers GPUs nor is labelled as having some. */
  readonly gpus?: string;
  readonly product: string;
  readonly state: string;
  readonly os: string;
}

function nodeRow(node: NodeState): NodeRow {
  const ready = node.conditions.find(condition => condition.type === 'Ready');
  const capacity = node.capacity['nvidia.com/gpu'];
  const labelled = node.labels['nvidia.com/gpu.count'] ?? node.labels['nvidia.com/gpu.present'];
  const bad = node.conditions.filter(
    condition => condition.type !== 'Ready' && condition.status === 'True',
  );
  const state = [
    node.unschedulable ? 'cordoned' : '',
    ...node.taints.map(taint => `${taint.key}:${taint.effect}`),
    ...bad.map(condition => condition.type),
  ].filter(text => text !== '');
  const gpus =
    capacity === undefined
      ? labelled === undefined
        ? undefined
        : 'none offered'
      : `${node.allocatable['nvidia.com/gpu'] ?? '0'} of ${capacity}`;
  return {
    node: node.name,
    ready: ready?.status === 'True' ? 'Ready' : ready?.status === 'False' ? 'NotReady' : 'Unknown',
    ...optional({ gpus }),
    product: node.labels['nvidia.com/gpu.product'] ?? '',
    state: state.join(' '),
    os: node.osImage,
  };
}

function pageOf(rows: readonly NodeRow[], all: number): readonly string[] {
  if (rows.length === 0) {
    return [
      `none of ${all} nodes offers nvidia.com/gpu or is labelled with it; name a node all the same: kubectl gpu-mcp triage NODE`,
    ];
  }
  return table(
    ['NODE', 'STATUS', 'GPUS', 'PRODUCT', 'OS', 'STATE'],
    rows.map(row => [row.node, row.ready, row.gpus ?? '-', row.product, row.os, row.state]),
  );
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
