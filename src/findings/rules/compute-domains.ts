import type { ClusterView, ComputeDomain } from '../../contract/cluster-view.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, type ClueParts, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';

/** What the fabric itself numbers the node's GPUs by. */
export interface OwnClique {
  readonly clusterUuid: string;
  readonly cliqueId: number;
}

type DomainView = Pick<ClusterView, 'node' | 'computeDomains'>;

/**
 * NVLink over several nodes as Kubernetes sees it: the ComputeDomains that the node is in, with their
 * IMEX daemons (NVIDIA/k8s-dra-driver-gpu, api/nvidia.com/resource/v1beta1/computedomain.go), and the
 * clique that label and domain give the node, against the one that its GPUs have.
 */
export function domainFindings(view: DomainView, own: readonly OwnClique[]): readonly Clue[] {
  const node = known(view.node);
  if (!node) return [];
  const cliques = [...new Set(own.map(cliqueText))];
  // GPUs of one node in several cliques are a finding of the fabric, and of no label.
  const clique = cliques.length === 1 ? cliques[0] : undefined;
  const domains = (known(view.computeDomains) ?? []).flatMap(domain => {
    const member = domain.nodes.find(one => one.node === node.name);
    return member ? domainClues(domain, member, clique) : [];
  });
  return [...labelClue(node, clique), ...domains];
}

/** `CLUSTER.CLIQUE`: NVIDIA/k8s-device-plugin, internal/lm/imex.go; the DRA driver writes it alike. */
const cliqueText = ({ clusterUuid, cliqueId }: OwnClique): string => `${clusterUuid}.${cliqueId}`;

const isSame = (a: string, b: string): boolean => bare(a) === bare(b);
const bare = (clique: string): string => clique.toLowerCase().replaceAll('-', '');

const LABEL = 'nvidia.com/gpu.clique';

function labelClue(
  { labels, name }: { readonly labels: Readonly<Record<string, string>>; readonly name: string },
  clique: string | undefined,
): readonly Clue[] {
  const label = labels[LABEL];
  if (label === undefined || clique === undefined || isSame(label, clique)) return [];
  return [
    nodeClue('clique-label', {
      ...STALE,
      title: 'The node is labelled with another NVLink clique than its GPUs are in',
      advice:
        'The scheduler puts jobs by that label: restart GPU feature discovery on this node, which writes it anew.',
      evidence: [
        {
          what: `${LABEL}=${plainText(label, 96)}, the GPUs are in ${plainText(clique, 96)}`,
          source: 'labels of the node and NVML compared',
          command: shell`kubectl get node ${name} -L ${LABEL}; nvidia-smi -q`,
        },
      ],
    }),
  ];
}

const STALE = {
  severity: 'warning',
  component: 'fabric',
  action: 'fix_configuration',
  blame: 'configuration',
  confidence: 'high',
} as const;

type Member = ComputeDomain['nodes'][number];

function domainClues(
  domain: ComputeDomain,
  own: Member,
  clique: string | undefined,
): readonly Clue[] {
  const name = `${plainText(domain.name, 253)} of ${plainText(domain.namespace, 63)}`;
  const clue = (parts: Omit<ClueParts, 'of' | 'component' | 'evidence'>): Clue =>
    nodeClue('compute-domain', {
      ...parts,
      of: `${plainText(domain.namespace, 63)}/${plainText(domain.name.split('/')[1] ?? '', 253)}`,
      component: 'fabric',
      evidence: [evidenceOf(domain, own)],
    });
  if (own.status !== 'Ready') {
    return [
      clue({
        ...{ severity: 'warning', action: 'fix_configuration', blame: 'configuration' },
        confidence: 'medium',
        title: `${name} is not ready on this node: its IMEX daemon is ${plainText(own.status, 32) || 'not known'}`,
        advice:
          'See the log of its pod computedomain-daemon-* on this node. Mostly nvidia-imex also runs on the host (systemctl disable --now nvidia-imex, and mask it), or IMEX and driver are of different versions.',
        wouldChange: 'A daemon that has just started and still comes up.',
      }),
    ];
  }
  if (clique !== undefined && !isSame(own.clique, clique)) {
    return [
      clue({
        ...STALE,
        title: `${name} knows this node in another NVLink clique than its GPUs are in`,
        advice:
          'Restart the kubelet plugin of the DRA driver on this node, which asks the GPUs when it starts, and then the pods of the domain.',
      }),
    ];
  }
  if (domain.status === 'NotReady') return [clue(waitsFor(domain, name))];
  const all = cliquesOf(domain);
  return all.length > 1 ? [clue(severalCliques(name, all))] : [];
}

/** Of its nodes that are in a fabric. */
const cliquesOf = ({ nodes }: ComputeDomain): readonly string[] => [
  ...new Set(nodes.flatMap(({ clique }) => (clique === '' ? [] : bare(clique)))),
];

/** IMEX connects the nodes of one clique: its daemons of another are of another IMEX domain (dnsnames.go). */
const severalCliques = (
  name: string,
  cliques: readonly string[],
): Omit<ClueParts, 'of' | 'component' | 'evidence'> => ({
  ...{ severity: 'info', action: 'watch', blame: 'configuration', confidence: 'high' },
  title: `${name} spreads over ${cliques.length} NVLink cliques: between those there is no NVLink`,
  advice:
    'A job that is to use NVLink between all its nodes has to be put into one: a pod affinity by the label nvidia.com/gpu.clique does that.',
});

/** This node is ready, and the domain is not. */
function waitsFor(
  { nodes, nodesWanted }: ComputeDomain,
  name: string,
): Omit<ClueParts, 'of' | 'component' | 'evidence'> {
  const late = nodes.filter(({ status }) => status !== 'Ready').map(({ node }) => node);
  const isShort = nodesWanted !== undefined && nodes.length < nodesWanted;
  return {
    ...{ severity: 'info', action: 'watch', blame: 'configuration', confidence: 'medium' },
    title:
      late.length > 0
        ? `${name} waits for other nodes: ${late
            .slice(0, 8)
            .map(node => plainText(node, 253))
            .join(', ')}`
        : isShort
          ? `${name} has ${nodes.length} of ${nodesWanted} nodes`
          : `${name} is called NotReady, though all of its ${nodes.length} nodes are Ready`,
    advice:
      late.length > 0
        ? 'Ask those nodes: this one is ready.'
        : isShort
          ? 'Pods of the job that have no node yet are missing: see what they wait for.'
          : 'Its controller is behind and keeps no pod back: see the log of the compute-domain-controller if the state stays.',
  };
}

const evidenceOf = ({ name, namespace, status, nodes }: ComputeDomain, own: Member) => ({
  what: `status ${plainText(status, 32)}; this node ${plainText(own.status, 32)}, clique ${plainText(own.clique, 96) || 'none'}; ${nodes.filter(one => one.status === 'Ready').length} of ${nodes.length} nodes Ready`,
  source: 'ComputeDomain (resource.nvidia.com)',
  command: shell`kubectl get computedomain -n ${namespace} ${name.split('/')[1] ?? ''} -o yaml`,
});

/** NVLink over several nodes as Kubernetes has it: ComputeDomains whose IMEX is not ready, and cliques of the node that are not those of its GPUs. */
export const computeDomains = rule(
  'compute-domains',
  { gpu: { tells: ['fabric'] }, cluster: true },
  facts =>
    facts.cluster
      ? domainFindings(
          facts.cluster,
          facts.driver.gpus.flatMap(({ fabric }) => {
            const { clusterUuid, cliqueId } = known(fabric) ?? {};
            return clusterUuid === undefined || cliqueId === undefined
              ? []
              : [{ clusterUuid, cliqueId }];
          }),
        )
      : [],
);
