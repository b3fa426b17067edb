import * as z from 'zod';
import { type Finding, gpusOf, recordTimes } from '../../contract/finding.ts';
import { numberOf } from '../../findings/support/incident-evidence.ts';
import type { Incident } from '../../xid/events.ts';
import { RECOVERY_ACTIONS } from '../../xid/nvidia-actions.ts';
import { AZURE_CATEGORIES, azureCategory } from './azure-categories.ts';
import type { ClusterPart } from './cluster-rows.ts';
import type { GpuRow } from './gpu-rows.ts';
import type { NodeRow } from './node-row.ts';

export const TICKET_FORMATS = ['nvidia', 'aws', 'azure', 'gcp', 'markdown'] as const;
export type TicketFormat = (typeof TICKET_FORMATS)[number];

const Field = z.strictObject({
  name: z.string(),
  /** Absent: not known here, to be filled in by a person. */
  value: z.string().optional(),
  /** What may stand there. */
  choices: z.array(z.string()).optional(),
});
type Field = z.infer<typeof Field>;

export const Ticket = z.strictObject({
  format: z.enum(TICKET_FORMATS),
  /** Where it goes. */
  to: z.string(),
  fields: z.array(Field),
});
export type Ticket = z.infer<typeof Ticket>;

/** What a report knows; every value of a ticket comes from it. */
interface Known {
  readonly node: string;
  readonly host: NodeRow;
  /** Those concerned; without a fault all. */
  readonly gpus: readonly GpuRow[];
  readonly findings: readonly Finding[];
  readonly incidents: readonly Incident[];
  /** Newest first; where some are left out, those between the newest and the first ones. */
  readonly xids: readonly { readonly time: string | null; readonly text: string }[];
  readonly xidsLeftOut: number;
  readonly cluster: ClusterPart;
}

/**
 * The form of a vendor or a cloud with what is known; the rest stays blank. Pure.
 *
 * NVIDIA: GPU Debug Guidelines, Initial Incident Report, and RMA Process, docs.nvidia.com/deploy. Azure:
 * Report node health by using Guest Health Reporting, github.com/MicrosoftDocs/azure-compute-docs.
 * Google: gcloud compute instances report-host-as-faulty, cloud.google.com/sdk/gcloud/reference; a node of GKE is
 * reported by a label, Manage AI-optimized GKE clusters, docs.cloud.google.com/ai-hypercomputer. AWS has
 * no form of its own for GPUs: what its page on XID errors looks at, repost.aws/knowledge-center/ec2-linux-troubleshoot-xid-errors,
 * and the reasons that EC2's ReportInstanceStatus takes.
 */
export function ticketOf(format: TicketFormat, facts: Known): Ticket {
  const { to, fields } = formOf(format, facts);
  return { format, to, fields: fields(facts) };
}

const formOf = (format: TicketFormat, facts: Known): Form =>
  format === 'gcp' && isOfGke(facts) ? gke : FORMS[format];

interface Form {
  readonly to: string;
  readonly fields: (facts: Known) => Field[];
}

const field = (name: string, value?: string, choices?: readonly string[]): Field => ({
  name,
  ...(value === undefined || value === '' ? {} : { value }),
  ...(value === undefined && choices ? { choices: [...choices] } : {}),
});

const nvidia: Form = {
  to: 'NVIDIA Enterprise Support, or the maker of the server where that sold the board',
  fields: facts => [
    ...common(facts),
    ...boards(facts).flatMap(boardFields),
    field('GPU model of the node', facts.gpus.find(({ name }) => name !== undefined)?.name),
    field('Driver', facts.host.driverVersion),
    field('Kernel module', facts.host.moduleKind),
    field('CUDA', facts.host.cudaVersion),
    field('Operating system', facts.host.os),
    field('Kernel', facts.host.kernel),
    field('Server model'),
    field('Server serial number'),
    field('Seen on other systems, how many'),
    field('How often', howOften(facts)),
    field('What changed before (driver, system, application)'),
    field('Moved to another slot or server: does the fault follow the board'),
    field('Result of the field diagnostic'),
    field('nvidia-bug-report.log.gz attached'),
  ],
};

const aws: Form = {
  to: 'AWS Support, technical case for Elastic Compute Cloud (EC2 - Linux)',
  fields: facts => {
    // cloud-provider-aws, pkg/providers/v1/instances.go, KubernetesInstanceID: aws:///ZONE/INSTANCE, or
    // aws:////INSTANCE; of the form of an instance nothing more is promised than that it begins with i-.
    const [, zone, instance] =
      /^aws:\/\/\/([\w-]*)\/(i-[^/]+)$/.exec(facts.cluster.node?.providerId ?? '') ?? [];
    return [
      field('Instance ID', instance),
      field('Availability zone', zone),
      field('Account ID'),
      field('Instance type', facts.cluster.node?.instanceType),
      ...common(facts),
      ...boards(facts).flatMap(boardFields),
      field('Driver', facts.host.driverVersion),
      field('AMI'),
      field('Kernel', facts.host.kernel),
      field('Rebooted, and whether it came back'),
      field('Stopped and started, and whether it came back'),
      field('nvidia-bug-report.log.gz attached'),
      field('aws ec2 report-instance-status --status impaired --reason-codes', undefined, [
        ...['unresponsive', 'instance-stuck-in-state', 'performance-network', 'performance-other'],
        'other',
      ]),
    ];
  },
};

const azure: Form = {
  to: 'PUT https://management.azure.com/subscriptions/{subscriptionId}/providers/Microsoft.Impact/workloadImpacts/{impactName}?api-version=2023-02-01-preview',
  fields: facts => {
    const [board] = boards(facts);
    // cloud-provider-azure, pkg/provider/azure_wrap.go and its tests: azure:// and the resource's id.
    const resource = /^azure:\/\/(\/subscriptions\/.+)$/.exec(facts.cluster.node?.providerId ?? '');
    const own = (name: string, value?: string, choices?: readonly string[]) =>
      field(`additionalProperties.${name}`, value, choices);
    return [
      field('startDateTime', began(facts)),
      field('impactCategory', azureCategory(facts), AZURE_CATEGORIES),
      field('impactDescription', facts.findings[0]?.title),
      field('impactedResourceId', resource?.[1]),
      own('PhysicalHostName'),
      own('VmUniqueId'),
      own('LogUrl'),
      own('Manufacturer', board && 'Nvidia'),
      own('SerialNumber', textOf(board?.serial)),
      own('ModelNumber', board?.boardPartNumber),
      own('Location', board?.pci),
      // Only for categories of Investigate.
      own('CollectTelemetry', undefined, ['0', '1']),
      // Of a GPU that has remapped rows Azure asks for its uncorrectable errors.
      own('UCE', uncorrectableRemaps(board)),
    ];
  },
};

/** Rows that were remapped for uncorrectable errors, where there are any. */
function uncorrectableRemaps(board: GpuRow | undefined): string | undefined {
  const rows = RemappedRows.safeParse(board?.remappedRows);
  return rows.success && rows.data.uncorrected > 0 ? String(rows.data.uncorrected) : undefined;
}

const RemappedRows = z.looseObject({ uncorrected: z.number() });

const GCP_BEHAVIORS = [
  'UNRECOVERABLE_GPU_ERROR',
  'PERFORMANCE',
  'SILENT_DATA_CORRUPTION',
  'CHIP_ERROR',
  'BEHAVIOR_UNSPECIFIED',
] as const;

/** cloud-provider-gcp, providers/gce/gce_util.go, splitProviderID: gce://PROJECT/ZONE/INSTANCE. */
function instanceOfGoogle({ cluster }: Known) {
  const [, project, zone, instance] =
    /^gce:\/\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(cluster.node?.providerId ?? '') ?? [];
  return { project, zone, instance };
}

const isOfGke = ({ cluster }: Known): boolean =>
  cluster.node?.labels['cloud.google.com/gke-nodepool'] !== undefined;

const isByXid = ({ incidents }: Known): boolean =>
  incidents.some(
    ({ blame, severity, root, codes }) =>
      blame === 'hardware' && severity === 'critical' && (root.xid !== null || codes.length > 0),
  );

const GKE_REASONS = ['XID', 'PERFORMANCE', 'SDC', 'unspecified'] as const;

/** GKE taints the node, evicts its pods and has its host repaired. */
const gke: Form = {
  to: 'kubectl label nodes NODE_NAME cloud.google.com/fault-behavior=FAULT_REASON (of a reservation; it evicts the pods of the node)',
  fields: facts => {
    const { project, zone, instance } = instanceOfGoogle(facts);
    return [
      field('NODE_NAME', facts.node),
      field('FAULT_REASON', isByXid(facts) ? GKE_REASONS[0] : undefined, GKE_REASONS),
      field('Instance', instance),
      field('Zone', zone),
      field('Project', project),
      ...common(facts),
      ...boards(facts).flatMap(boardFields),
      field('Driver', facts.host.driverVersion),
      field('nvidia-bug-report.log.gz attached'),
    ];
  },
};

const gcp: Form = {
  to: 'gcloud compute instances report-host-as-faulty INSTANCE_NAME',
  fields: facts => {
    const { project, zone, instance } = instanceOfGoogle(facts);
    const isXid = isByXid(facts);
    return [
      field('INSTANCE_NAME', instance),
      field('--zone', zone),
      field('--project', project),
      field('--disruption-schedule', undefined, ['IMMEDIATE', 'FUTURE']),
      field('--fault-reasons behavior', isXid ? GCP_BEHAVIORS[0] : undefined, GCP_BEHAVIORS),
      field('--fault-reasons description', facts.findings[0]?.title),
      ...common(facts),
      ...boards(facts).flatMap(boardFields),
      field('Driver', facts.host.driverVersion),
      field('nvidia-bug-report.log.gz attached'),
    ];
  },
};

const FORMS: Readonly<Record<TicketFormat, Form>> = {
  nvidia,
  aws,
  azure,
  gcp,
  markdown: { ...nvidia, to: 'whoever asks' },
};

const XIDS_MAX = 6;
const LAST_XIDS = 2;
const SOURCES_MAX = 4;
const BOARDS_MAX = 4;

const common = (facts: Known): Field[] => [
  field('Node', facts.node),
  field('What was observed', facts.findings[0]?.title),
  field('When it began (UTC)', began(facts)),
  field('How it was observed', sourcesOf(facts.findings[0])),
  ...kernelLines(facts),
];

/** As they came: the first ones, which tell the cause, and the last ones. */
function kernelLines({ xids, xidsLeftOut }: Known): Field[] {
  // The report has them newest first.
  const lines = xids.toReversed();
  const left = Math.max(0, lines.length - XIDS_MAX);
  const shown =
    left === 0 ? lines : [...lines.slice(0, XIDS_MAX - LAST_XIDS), ...lines.slice(-LAST_XIDS)];
  const more = left + xidsLeftOut;
  return [
    ...shown.map(({ time, text }, at) =>
      field(`Kernel line ${at + 1}`, [time ?? [], text].flat().join('  ')),
    ),
    ...(more > 0 ? [field('Kernel lines left out', String(more))] : []),
  ];
}

/** Every source that the worst finding rests on. */
const sourcesOf = (finding: Finding | undefined): string =>
  [...new Set(finding?.evidence.map(({ source }) => source))].slice(0, SOURCES_MAX).join('; ');

/** How often the log tells of what was observed; nothing where it tells of it once or not at all. */
function howOften({ findings, incidents }: Known): string | undefined {
  const [worst] = findings;
  const { code } = worst?.began ?? {};
  const places = worst ? gpusOf(worst).map(({ pci }) => pci) : [];
  const own = incidents.filter(
    ({ root, gpu }) => code !== undefined && numberOf(root) === code && places.includes(gpu ?? ''),
  );
  const { time, lastTime } = recordTimes(own.map(({ firstTime }) => firstTime));
  return own.length > 1 && lastTime !== undefined
    ? `${code} ${own.length} times from ${time} to ${lastTime}`
    : undefined;
}

/** Boards that something is said of: of a node without a fault none belongs into a ticket. */
const boards = ({ gpus, findings, incidents }: Known): readonly GpuRow[] =>
  findings.length + incidents.length > 0 || gpus.some(({ error }) => error !== undefined)
    ? gpus.slice(0, BOARDS_MAX)
    : [];

/** When what was observed began; where no line tells that, the first time of anything that is known. */
const began = ({ incidents, findings }: Known): string | undefined =>
  findings[0]?.began?.time ??
  [
    ...incidents.flatMap(({ firstTime }) => firstTime ?? []),
    ...findings.flatMap(({ evidence }) => evidence.flatMap(({ time }) => time ?? [])),
  ].toSorted((a, b) => Date.parse(a) - Date.parse(b))[0];

function boardFields(row: GpuRow): Field[] {
  const name = `GPU ${row.index ?? row.pci ?? '?'}`;
  const count = (value: number | undefined) => (value === undefined ? undefined : String(value));
  return [
    field(`${name} model`, textOf(row.name)),
    field(`${name} serial number`, textOf(row.serial)),
    field(`${name} part number`, row.boardPartNumber),
    field(`${name} UUID`, row.uuid),
    field(`${name} PCI address`, row.pci),
    field(`${name} VBIOS`, row.vbios),
    field(`${name} InfoROM`, words(row.inforom)),
    ...(row.platform === undefined
      ? []
      : [field(`${name} place in the rack`, words(row.platform))]),
    field(
      `${name} corrected ECC errors since the driver was loaded`,
      count(row.eccCorrectedVolatile),
    ),
    field(`${name} corrected ECC errors, lifetime`, count(row.eccCorrectedAggregate)),
    field(
      `${name} uncorrected ECC errors since the driver was loaded`,
      count(row.eccUncorrectedVolatile),
    ),
    field(`${name} uncorrected ECC errors, lifetime`, count(row.eccUncorrectedAggregate)),
    field(`${name} remapped rows`, words(row.remappedRows)),
    field(`${name} remapped rows of each bank, by how many are left`, words(row.remapHistogram)),
    field(`${name} recovery action the driver asks for`, recoveryWords(row.recoveryAction)),
  ];
}

/** `1 (GPU Reset Required)`, in the driver's own words. */
function recoveryWords(code: unknown): string | undefined {
  const name = typeof code === 'number' ? RECOVERY_ACTIONS[code]?.name : undefined;
  return name === undefined ? words(code) : `${code} (${name})`;
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;

function words(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([key, part]) => `${key} ${String(part)}`)
    .join(', ');
}

const BLANK = '________';

/** The form as text, or as a table of Markdown. */
export function ticketLines({ format, to, fields }: Ticket): string[] {
  const blank = ({ choices }: Field) =>
    choices ? `${BLANK} (one of ${choices.join(', ')})` : BLANK;
  const cell = (each: Field) => (each.value ?? blank(each)).replaceAll('|', '\\|');
  if (format === 'markdown') {
    return [
      '| Field | Value |',
      '| --- | --- |',
      ...fields.map(each => `| ${each.name} | ${cell(each)} |`),
    ];
  }
  const width = Math.max(...fields.map(({ name }) => name.length));
  return [
    `to ${to}`,
    ...fields.map(each => `  ${each.name.padEnd(width)}  ${each.value ?? blank(each)}`),
  ];
}
