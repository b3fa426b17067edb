import type { Evidence } from '../../contract/finding.ts';
import { known } from '../../contract/reading.ts';
import type { NodeFacts } from '../facts.ts';

/**
 * InfiniBand ports of the machines that NVIDIA builds with a GPU. A machine of another maker or of
 * a cloud may have others: this stands beside a finding and never makes one.
 */
const PORTS: readonly { readonly gpu: RegExp; readonly ports: number; readonly gbps: number }[] = [
  { gpu: /\bA100\b/, ports: 1, gbps: 200 },
  { gpu: /\b(?:H100|H200|B200|GB200)\b/, ports: 8, gbps: 400 },
];

/** What the product of this node's GPUs usually has; nothing for a GPU that nobody lists. */
export function ofProduct({ driver }: NodeFacts): readonly Evidence[] {
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
