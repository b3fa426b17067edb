import * as z from 'zod';
import { Action, Severity, Verdict } from '../../contract/finding.ts';
import type { FleetRow } from '../../contract/fleet.ts';
import { plainText } from '../../contract/untrusted.ts';

/** What of any tool's answer one line can say. */
const Judged = z.looseObject({
  summary: z.string(),
  verdict: Verdict.optional().catch(undefined),
  nextAction: z.looseObject({ action: Action }).optional().catch(undefined),
  findings: z
    .array(
      z.looseObject({
        severity: Severity,
        title: z.string(),
        gpu: z.looseObject({ index: z.int().optional(), pci: z.string().optional() }).optional(),
      }),
    )
    .optional()
    .catch(undefined),
  gpus: z
    .array(z.looseObject({ error: z.string().optional(), name: z.string().optional() }))
    .optional()
    .catch(undefined),
  gone: z.array(z.unknown()).optional().catch(undefined),
  host: z.looseObject({ driverVersion: z.string().optional() }).optional().catch(undefined),
});

const STEPS: Readonly<Record<Action, string>> = {
  none: '',
  watch: 'watch',
  restart_app: 'restart the job',
  fix_configuration: 'fix settings',
  reset_gpu: 'reset',
  drain: 'drain',
  drain_and_reset: 'drain, reset',
  reboot_node: 'drain, reboot',
  power_cycle: 'drain, power off',
  contact_support: 'vendor',
};

/** A node that answered, in a line. Pure. */
export function fleetRow(node: string, structured: unknown): FleetRow {
  const found = Judged.safeParse(structured);
  if (!found.success) return unreadRow(node, 'its answer could not be understood');
  const { summary, verdict, nextAction, findings = [], gpus, gone = [], host } = found.data;
  const serious = findings.filter(({ severity }) => severity !== 'info');
  const [worst, ...others] = serious;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  const isWell = verdict === 'healthy';
  const index = worst?.gpu?.index;
  const step = STEPS[nextAction?.action ?? 'none'];
  return {
    node,
    verdict: verdict ?? 'unknown',
    ...(gpus && {
      gpus: {
        well: gpus.filter(({ error }) => error === undefined).length,
        all: gpus.length + gone.length,
      },
    }),
    machine: machineOf(gpus ?? [], host?.driverVersion),
    what: isWell ? '' : plainText(worst ? `${titleOf(worst)}${more}` : summary, 300),
    step: step === 'reset' && index !== undefined ? `reset GPU ${index}` : step,
  };
}

/** Its index names the GPU well enough in a line. */
const titleOf = ({ title, gpu }: NonNullable<z.output<typeof Judged>['findings']>[number]) =>
  gpu?.index === undefined ? title : title.replace(` (${gpu.pci})`, '');

/** A node that was selected and could not be read. */
export const unreadRow = (node: string, why: string): FleetRow => ({
  ...{ node, verdict: 'unread', machine: '', step: '' },
  what: plainText(why, 300),
});

/** `8x H100 80GB HBM3, driver 570.124.06`. */
function machineOf(gpus: readonly { name?: string | undefined }[], driver: string | undefined) {
  const models = [...Map.groupBy(gpus, ({ name }) => name)].map(
    ([name, of]) => `${of.length}x ${(name ?? 'GPU').replace(/^NVIDIA /, '')}`,
  );
  const words = [models.join(' + '), driver === undefined ? '' : `driver ${driver}`];
  return plainText(words.filter(Boolean).join(', '), 120);
}
