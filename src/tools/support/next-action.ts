import * as z from 'zod';
import { type Action, type Finding, gpusOf, type Verdict } from '../../contract/finding.ts';
import { known } from '../../contract/reading.ts';
import type { NodeFacts } from '../../findings/facts.ts';

/** What to do first, and how: the commands are for a person to read and run; we run none of them. */
export const NextAction = z.strictObject({
  action: z.string(),
  advice: z.string(),
  commands: z.array(z.string()),
});
export type NextAction = z.infer<typeof NextAction>;

interface At {
  readonly verdict: Verdict;
  /** The node's name in its cluster; undefined where there is no cluster. */
  readonly node: string | undefined;
  /** Switches between the GPUs make a reset of one a reset of all. */
  readonly hasSwitches: boolean;
}

/** The step that the worst finding asks for; without one, what the verdict leaves to do. Pure. */
export function nextAction(worst: Finding | undefined, at: At): NextAction {
  if (worst && worst.severity !== 'info') {
    return { action: worst.action, advice: worst.advice, commands: commandsFor(worst, at) };
  }
  return at.verdict === 'healthy'
    ? { action: 'none', advice: 'Nothing to do for the GPUs of this node.', commands: [] }
    : { action: 'watch', advice: 'Close the gaps named below, then ask again.', commands: [] };
}

export const hasSwitches = ({ host }: NodeFacts): boolean =>
  known(host.pciDevices)?.some(({ kind }) => kind === 'nvswitch') ?? false;

function commandsFor(finding: Finding, at: At): string[] {
  const { cluster, machine } = STEPS[finding.action];
  const gpus = gpusOf(finding).flatMap(({ index }) => index ?? []);
  return [
    ...(at.node === undefined ? [] : cluster.map(command => command.replace('NODE', `${at.node}`))),
    ...machine.flatMap(command =>
      command === RESET ? resetOf(gpus, at) : `${command}  # on the node, as root`,
    ),
  ];
}

function resetOf(gpus: readonly number[], { hasSwitches: all }: At): string[] {
  if (all || gpus.length === 0) {
    return [`${RESET}  # on the node, as root; resets all GPUs, nothing may use them`];
  }
  return [`${RESET} -i ${gpus.join(',')}  # on the node, as root; nothing may use it`];
}

const RESET = 'nvidia-smi --gpu-reset';
const CORDON = 'kubectl cordon NODE';
const WHO = 'kubectl gpu-mcp call NODE get_gpu_processes';
const REPORT = 'kubectl gpu-mcp call NODE get_incident_report > incident.txt';
/** Before a reboot takes the evidence away; `diff` tells afterwards what it cured. */
const CAPTURE = 'kubectl gpu-mcp capture NODE -f before.json.gz';
const DRAIN = 'kubectl drain NODE --ignore-daemonsets --delete-emptydir-data';

/** What a person types for each action, in this order: in the cluster, then on the machine. */
const STEPS: Readonly<
  Record<Action, { readonly cluster: readonly string[]; readonly machine: readonly string[] }>
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
