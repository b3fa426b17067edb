import * as z from 'zod';
import {
  type Action,
  type Finding,
  type GpuRef,
  gpusOf,
  Hits,
  type Verdict,
} from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import type { Blocker, Reset } from '../../findings/reset.ts';

/** One command for a person to run, in the cluster from where he is or as root on the node. */
export const Step = z.strictObject({
  on: z.enum(['cluster', 'node']),
  command: z.string(),
  note: z.string().optional(),
});
export type Step = z.infer<typeof Step>;

/** What to do first, and how: the commands are for a person to read and run; we run none of them. */
export const NextAction = z
  .strictObject({
    action: z.string(),
    advice: z.string(),
    commands: z.array(z.string()),
    /** The same commands in their parts. */
    steps: z.array(Step),
    /** What to do where that did not help. */
    otherwise: z.string().optional(),
    hits: Hits.optional(),
  })
  .meta({ listedKeys: ['action', 'advice', 'commands'] });
export type NextAction = z.infer<typeof NextAction>;

interface At {
  readonly verdict: Verdict;
  /** The node's name in its cluster; undefined where there is no cluster. */
  readonly node: string | undefined;
  /** How this machine resets GPUs; the cluster's word asks for no reset. */
  readonly reset?: Reset;
}

/** The step that the worst finding asks for; without one, what the verdict leaves to do. Pure. */
export function nextAction(worst: Finding | undefined, at: At): NextAction {
  if (worst && worst.severity !== 'info') {
    const { action, advice, otherwise, hits } = worst;
    const steps = stepsFor(worst, at);
    return {
      action,
      advice,
      commands: steps.map(commandOf),
      steps,
      ...optional({ otherwise, hits }),
    };
  }
  return at.verdict === 'healthy'
    ? {
        action: 'none',
        advice: 'Nothing to do for the GPUs of this node.',
        commands: [],
        steps: [],
      }
    : {
        action: 'watch',
        advice: 'Close the gaps named below, then ask again.',
        commands: [],
        steps: [],
      };
}

function stepsFor(finding: Finding, at: At): Step[] {
  const { cluster, machine } = STEPS[finding.action];
  if (finding.action === 'fix_configuration') return whereItSaysWhy(finding);
  const { node, reset = { blockers: [], mig: false } } = at;
  const resets = machine.includes(RESET);
  const which = resets && reset.all === undefined ? idsOf(gpusOf(finding)) : '';
  const ends = resets || finding.action === 'restart_app' ? endPods(finding.hits) : [];
  return [
    ...(node === undefined
      ? []
      : [
          ...(ends.length > 0 && !resets ? [] : cluster.map(step => step(node))),
          ...ends,
          ...(resets && reset.blockers.includes('operands') ? [withoutOperands(node)] : []),
        ]),
    ...(resets ? reset.blockers.flatMap(blocker => stopOf(blocker, which)) : []),
    ...machine.map(command => (command === RESET ? resetLine(which, reset) : onNode(command))),
  ];
}

/** What says why a pod does not run: an advice that sends to its log has the command for it. */
const whereItSaysWhy = ({ evidence }: Finding): Step[] =>
  evidence
    .flatMap(({ command }) => command ?? [])
    .filter(command => /^kubectl (?:logs|describe pod) /.test(command))
    .slice(0, 1)
    .map(command => inCluster(command));

/** A step on one line, with where it runs and why as a comment. */
function commandOf({ on, command, note }: Step): string {
  const remarks = [...(on === 'node' ? ['on the node, as root'] : []), note ?? ''].filter(Boolean);
  return remarks.length === 0 ? command : `${command}  # ${remarks.join(', ')}`;
}

const onNode = (command: string, note?: string): Step => ({
  on: 'node',
  command,
  ...optional({ note }),
});
const inCluster = (command: string, note?: string): Step => ({
  on: 'cluster',
  command,
  ...optional({ note }),
});

/**
 * Indexes of GPUs that the driver counts, else their addresses, as nvidia-smi(1) takes both; empty
 * for all.
 */
function idsOf(gpus: readonly GpuRef[]): string {
  const ids = gpus.flatMap(({ index, pci }) => index ?? (pci === undefined ? [] : `${pci}.0`));
  return ids.length < gpus.length ? '' : ids.join(',');
}

function resetLine(which: string, { all, mig }: Reset): Step {
  const remade = mig
    ? '; its MIG instances must be made again (MIG Manager, nvidia-mig-parted)'
    : '';
  return which === ''
    ? onNode(
        RESET,
        `resets all GPUs${all === undefined ? '' : ` (${all})`}, nothing may use them${remade}`,
      )
    : onNode(RESET + shell` -i ${which}`, `nothing may use it${remade}`);
}

/** Only those that lose their GPU, and not all of the node. Names that Kubernetes allows need no quotes. */
function endPods(hits: Hits | undefined): Step[] {
  return (hits?.pods ?? []).flatMap(({ namespace, pod }) =>
    namespace !== undefined && pod !== undefined && NAME.test(namespace) && NAME.test(pod)
      ? [inCluster(shell`kubectl delete pod -n ${namespace} ${pod}`)]
      : [],
  );
}
const NAME = /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/;

/** The GPU Operator's node labels: what is not to be deployed there ends. */
const withoutOperands = (node: string): Step =>
  inCluster(
    shell`kubectl label node ${node} --overwrite` +
      ['device-plugin', 'dcgm-exporter', 'dcgm', 'gpu-feature-discovery']
        .map(name => ` nvidia.com/gpu.deploy.${name}=false`)
        .join(''),
    'they hold every GPU; true again after the reset (without the GPU Operator: end their pods)',
  );

function stopOf(blocker: Blocker, which: string): readonly Step[] {
  const only = which === '' || which.includes(',') ? '' : shell` -i ${which}`;
  switch (blocker) {
    case 'operands':
      return [];
    case 'hostengine':
      return [onNode('systemctl stop nvidia-dcgm', 'DCGM holds every GPU')];
    case 'mps':
      return [onNode('echo quit | nvidia-cuda-mps-control', 'MPS holds its GPUs')];
    case 'display':
      return [onNode('systemctl isolate multi-user.target', 'a display holds its GPU')];
    case 'persistence':
      return [onNode(`nvidia-smi${only} -pm 0`, 'nvidia-persistenced holds it; -pm 1 afterwards')];
  }
}

const RESET = 'nvidia-smi --gpu-reset';
const CORDON = (node: string) => inCluster(shell`kubectl cordon ${node}`);
const WHO = (node: string) => inCluster(shell`kubectl gpu-mcp call ${node} get_gpu_processes`);
const REPORT = (node: string) =>
  inCluster(shell`kubectl gpu-mcp call ${node} get_incident_report > incident.txt`);
/** Before a reboot takes the evidence away; `diff` tells afterwards what it cured. */
const CAPTURE = (node: string) =>
  inCluster(shell`kubectl gpu-mcp capture ${node} -f before.json.gz`);
const DRAIN = (node: string) =>
  inCluster(
    shell`kubectl drain ${node} --ignore-daemonsets --delete-emptydir-data`,
    'evicts every pod of the node and deletes their emptyDir data',
  );

/** What a person types for each action, in this order: in the cluster, then on the machine. */
const STEPS: Readonly<
  Record<
    Action,
    {
      readonly cluster: readonly ((node: string) => Step)[];
      readonly machine: readonly string[];
    }
  >
> = {
  none: { cluster: [], machine: [] },
  watch: { cluster: [], machine: [] },
  restart_app: { cluster: [WHO], machine: [] },
  fix_configuration: { cluster: [], machine: [] },
  reset_gpu: { cluster: [CORDON, WHO], machine: [RESET] },
  drain: { cluster: [CORDON, WHO], machine: [] },
  drain_and_reset: { cluster: [CORDON, WHO], machine: [RESET] },
  reboot_node: { cluster: [CAPTURE, DRAIN], machine: ['systemctl reboot'] },
  power_cycle: { cluster: [CAPTURE, DRAIN], machine: ['ipmitool chassis power cycle'] },
  contact_support: { cluster: [CORDON, REPORT], machine: ['nvidia-bug-report.sh'] },
};
