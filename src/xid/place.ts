import type { Action } from '../contract/finding.ts';
import type { Verdict } from './verdict.ts';

/** Where a machine stands: what can be done to it differs. */
export const PLACES = ['aws', 'gcp', 'azure', 'bare-metal'] as const;
export type Place = (typeof PLACES)[number];

/** How the kernel names virtual machines that are of no cloud that we know. */
const VIRTUAL =
  /^(?:QEMU|VMware|Xen|Red Hat KVM|innotek|OpenStack|Nutanix|Microsoft Corporation Virtual)/;

/**
 * The place of a machine by what its firmware calls it (`DMI: Amazon EC2 p5.48xlarge/, ...`); null
 * for a virtual machine of nobody that we know.
 */
export function placeOf(machine: unknown): Place | null {
  if (typeof machine !== 'string') return null;
  if (machine.startsWith('Amazon EC2')) return 'aws';
  if (machine.startsWith('Google ')) return 'gcp';
  if (/^Microsoft Corporation Virtual Machine/.test(machine)) return 'azure';
  return VIRTUAL.test(machine) ? null : 'bare-metal';
}

interface Step {
  readonly action?: Action;
  readonly advice: string;
}
type Steps = Readonly<Partial<Record<Action, Step>>>;

const onAws = (first: string): Step => ({
  action: 'reboot_node',
  advice: `${first} If it comes back, stop and start it, which moves it to another host, or replace it; nvidia-smi --gpu-reset is not for EC2, and nobody can reseat the card.`,
});

/**
 * What a cloud leaves to its users in place of a reset, a reboot or a hand on the card.
 *
 * AWS: the GPU recovery steps of github.com/awslabs/awsome-distributed-ai. Google: Report a faulty
 * host, cloud.google.com/sdk/gcloud/reference/compute/instances/report-host-as-faulty. Azure:
 * Virtual Machines - Redeploy, learn.microsoft.com/rest/api/compute/virtual-machines/redeploy.
 */
const STEPS: Readonly<Record<Place, Steps>> = {
  'bare-metal': {},
  aws: {
    reset_gpu: onAws('Drain the node and reboot the instance.'),
    drain_and_reset: onAws('Let the jobs on the GPU end, then reboot the instance.'),
    reboot_node: onAws('Drain the node and reboot the instance.'),
    power_cycle: {
      advice: 'Drain the node, then stop and start the instance, or replace it.',
    },
    contact_support: {
      advice:
        'Drain the node, stop and start the instance or replace it, and open a case with AWS with nvidia-bug-report.',
    },
  },
  gcp: {
    reboot_node: {
      advice:
        'Drain the node and reset the VM. If it comes back, report the host (gcloud compute instances report-host-as-faulty) or replace the node; nobody can reseat the card.',
    },
    power_cycle: {
      advice:
        'Drain the node, then report the host (gcloud compute instances report-host-as-faulty) or replace the node.',
    },
    contact_support: {
      advice:
        'Drain the node, report the host (gcloud compute instances report-host-as-faulty), and open a case with Google with nvidia-bug-report.',
    },
  },
  azure: {
    reboot_node: {
      advice:
        'Drain the node and restart the VM. If it comes back, redeploy it (az vm redeploy), which moves it to another host, and open a support request; nobody can reseat the card.',
    },
    power_cycle: {
      advice:
        'Drain the node, then redeploy the VM (az vm redeploy), which moves it to another host.',
    },
    contact_support: {
      advice:
        'Drain the node, redeploy the VM (az vm redeploy), and open a support request with nvidia-bug-report.',
    },
  },
};

/** A verdict in the words of the place; what only software asks for is the same everywhere. */
export function verdictAt<V extends Pick<Verdict, 'action' | 'advice'>>(
  place: Place | null,
  verdict: V,
): V {
  if (place === null) return verdict;
  const step = STEPS[place][verdict.action];
  if (step) return { ...verdict, ...step };
  const instead = HANDS.test(verdict.advice) ? INSTEAD_OF_HANDS[place] : '';
  return instead === '' ? verdict : { ...verdict, advice: `${verdict.advice} ${instead}` };
}

/** Words of advice that only somebody beside the machine, or its owner, can follow. */
const HANDS =
  /\b(?:seating|slot|riser|cables?|transceivers?|cooling|BMC|power-cycle|NVIDIA case|vendor of the hardware)\b|replace the GPU/i;

const INSTEAD_OF_HANDS: Readonly<Record<Place, string>> = {
  'bare-metal': '',
  aws: 'What needs a hand on the machine or its owner is for AWS: stop and start the instance, which moves it to another host, or replace it.',
  gcp: 'What needs a hand on the machine or its owner is for Google: report the host (gcloud compute instances report-host-as-faulty) or replace the node.',
  azure:
    'What needs a hand on the machine or its owner is for Azure: redeploy the VM (az vm redeploy), which moves it to another host, and open a support request.',
};
