import * as z from 'zod';
import { known } from '../../contract/reading.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import type { MergedEntry } from './merged-order.ts';

/** An NVLink domain over several nodes that GPUs of this node are members of. */
export const NvlinkDomain = z.strictObject({
  clusterUuid: z.string(),
  cliqueId: z.int(),
  gpus: z.int().min(1),
});
type NvlinkDomain = z.infer<typeof NvlinkDomain>;

/** By the fabric's own numbers: nvml.h has no cluster where a machine stands by itself. */
export function domainsOf({ driver }: NodeFacts): { readonly nvlinkDomains?: NvlinkDomain[] } {
  const members = driver.gpus.flatMap(gpu => {
    const { clusterUuid, cliqueId } = known(gpu.fabric) ?? {};
    return clusterUuid === undefined || cliqueId === undefined ? [] : [{ clusterUuid, cliqueId }];
  });
  const domains = [...Map.groupBy(members, keyOf).values()].flatMap(([one, ...others]) =>
    one ? [{ ...one, gpus: others.length + 1 }] : [],
  );
  return domains.length === 0 ? {} : { nvlinkDomains: domains };
}

const keyOf = ({ clusterUuid, cliqueId }: Pick<NvlinkDomain, 'clusterUuid' | 'cliqueId'>): string =>
  `${clusterUuid} ${cliqueId}`;

/** One domain as several nodes together show it. */
export interface SharedDomain {
  readonly clusterUuid: string;
  readonly cliqueId: number;
  readonly nodes: readonly string[];
  /** Those with a fault of NVLink or its fabric. */
  readonly faulty: readonly string[];
  /** The first of these faults that has a time, by the clocks. */
  readonly first?: Pick<MergedEntry, 'node' | 'time' | 'what'>;
}

/** NVIDIA's XID catalogue: NVLink errors, those of NVLink 5; and everything that an NVSwitch tells. */
const NVLINK_CODES = /^(?:SXid \d+|XID (?:74|14[4-9]|150))$/;

const Member = z.looseObject({
  nvlinkDomains: z.array(NvlinkDomain),
  findings: z.array(z.looseObject({ component: z.string(), severity: z.string() })).catch(() => []),
});

/** Domains that at least two of the nodes are in, whose faults then have one place to look at. Pure. */
export function sharedDomains(
  answers: readonly { readonly node: string; readonly structured: unknown }[],
  merged: readonly MergedEntry[],
): readonly SharedDomain[] {
  const members = answers.flatMap(({ node, structured }) => {
    const { nvlinkDomains = [], findings = [] } = Member.safeParse(structured).data ?? {};
    const isFaulty = findings.some(
      ({ component, severity }) => ['nvlink', 'fabric'].includes(component) && severity !== 'info',
    );
    return nvlinkDomains.map(({ clusterUuid, cliqueId }) => ({
      ...{ clusterUuid, cliqueId, node, isFaulty },
    }));
  });
  return [...Map.groupBy(members, keyOf).values()].flatMap(of => {
    const [one] = of;
    if (!one || of.length < 2) return [];
    const faulty = of.filter(({ isFaulty }) => isFaulty).map(({ node }) => node);
    const begun = merged.find(
      ({ node, severity, code = '' }) =>
        faulty.includes(node) && severity !== 'info' && NVLINK_CODES.test(code),
    );
    return [
      {
        clusterUuid: one.clusterUuid,
        cliqueId: one.cliqueId,
        nodes: of.map(({ node }) => node),
        faulty,
        ...(begun && { first: { node: begun.node, time: begun.time, what: begun.what } }),
      },
    ];
  });
}

/** A line for each domain of which several nodes are faulty: one event of the rack, and not of each node. */
export const domainLines = (domains: readonly SharedDomain[]): readonly string[] =>
  domains
    .filter(({ faulty }) => faulty.length > 1)
    .map(({ clusterUuid, cliqueId, nodes, faulty, first }) => {
      const began = first ? `; ${first.node} was the first, ${first.time.slice(11, 19)} UTC` : '';
      return `NVLink domain ${clusterUuid.slice(0, 8)}, clique ${cliqueId}: ${faulty.length} of its ${nodes.length} nodes here have NVLink faults${began}. One cause is likely: look at the NVLink switches of this rack before any node.`;
    });
