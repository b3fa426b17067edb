import * as z from 'zod';
import { Action, Blame, Confidence, Finding } from '../../contract/finding.ts';
import { MISSING_REASONS } from '../../contract/reading.ts';
import { Incident } from '../../xid/events.ts';
import { HEAD, unlisted } from '../head.ts';
import { EventRow } from './cluster-rows.ts';
import { Searched } from './searched.ts';

/** One container of the pod: how it is, how it ended, what that means. */
const ContainerRow = z
  .strictObject({
    container: z.string(),
    init: z.boolean(),
    state: z.string(),
    restarts: z.int(),
    reason: z.string().optional(),
    message: z.string().optional(),
    exitCode: z.int().optional(),
    signal: z.int().optional(),
    startedAt: z.string().optional(),
    finishedAt: z.string().optional(),
  })
  .meta({ listedKeys: ['container', 'state', 'reason', 'exitCode', 'finishedAt'] });
export type ContainerRow = z.infer<typeof ContainerRow>;

/** A line of the job's log that means something, in our words and in its own. */
const LogRow = z
  .strictObject({
    title: z.string(),
    role: z.enum(['cause', 'consequence', 'report']),
    layer: Blame,
    at: z.string().optional(),
    count: z.int(),
    ranks: z.array(z.int()),
    gpu: z.int().optional(),
    /** The host, the address or the pod that a label before the line names. */
    of: z.string().optional(),
    /** Of a crash: where in the program or its libraries. */
    frame: z.string().optional(),
    text: z.string(),
  })
  .meta({ listedKeys: ['title', 'role', 'ranks', 'text'] });

const SaidLine = z.strictObject({ text: z.string(), at: z.string().optional() });

const LogPart = z.strictObject({
  container: z.string(),
  previous: z.boolean(),
  lines: z.int(),
  bytes: z.int(),
  requests: z.int(),
  from: z.string().optional(),
  to: z.string().optional(),
  cut: z.boolean(),
  newestUnread: z.literal(true).optional(),
  /** Of lines that are too long. */
  unreadCharacters: z.int(),
  last: unlisted(SaidLine).optional(),
  /** In which the program said, before anything that failed, that it was done. */
  done: unlisted(SaidLine).optional(),
  /** In which it said so after what failed. */
  doneAfter: unlisted(SaidLine).optional(),
  /** In the order in which they began. */
  entries: z.array(unlisted(LogRow)),
  recovered: z.int(),
  /** By NCCL's lines; the GPU is one of the host's. */
  devices: z
    .array(unlisted(z.strictObject({ rank: z.int(), host: z.string(), pci: z.string() })))
    .optional(),
  wait: z
    .strictObject({
      by: z.string().optional(),
      operation: z.string().optional(),
      sequence: z.int().optional(),
      timeoutMs: z.int().optional(),
      waiting: z.array(z.int()),
      behind: z.array(z.int()),
    })
    .optional(),
});

const JobPart = z.strictObject({
  name: z.string(),
  pods: z.int(),
  failed: z.int(),
  read: z.int(),
  /** Other pods of it that failed, in the order of their ends, and of the rest those whose logs tell of a failure. */
  peers: z.array(
    z.strictObject({
      pod: z.string(),
      node: z.string(),
      /** Absent: it still runs. */
      exitCode: z.int().optional(),
      finishedAt: z.string().optional(),
      /** What began it, or what came first where no line tells that. */
      first: unlisted(LogRow).optional(),
      unread: z.string().optional(),
      /** What is told of a log of which no line has a known form. */
      unknown: unlisted(z.string()).optional(),
    }),
  ),
});

/** The answer of explain_failure, with and without what the cluster knows. */
export const FailureAnswer = z.strictObject({
  ...HEAD,
  fault: Blame.describe('hardware, driver, fabric, host, configuration, application or unknown.'),
  confidence: Confidence,
  action: Action,
  advice: z.string(),
  why: z.array(z.string()),
  against: z.array(z.string()),
  pod: z
    .strictObject({
      namespace: z.string().optional(),
      pod: z.string(),
      uid: z.string().optional(),
      phase: z.string().optional(),
      owner: z.string().optional(),
      /** Indexes of its GPUs; empty where these are not known. */
      gpus: z.array(z.int()),
      /** Their PCI addresses, also of such as the driver has lost. */
      pcis: z.array(z.string()),
      /** Addresses at which the kernel log names a process of it, where no more is known: some of its GPUs. */
      loggedOn: z.array(z.string()).optional(),
      gpusFrom: z.enum(['allocation', 'processes', 'whole_node', 'unknown']),
    })
    .meta({ listedKeys: ['namespace', 'pod', 'phase', 'owner', 'gpus'] }),
  containers: z.array(ContainerRow),
  /** Another pod of its job, where it began there. */
  began: unlisted(z.strictObject({ pod: z.string(), node: z.string() })).optional(),
  /** The run that is explained. */
  from: z.string().optional(),
  to: z.string().optional(),
  incidents: z.array(unlisted(Incident)),
  /** Incidents of programs of other pods on its GPUs, or on the node's where its own are not known. */
  ofOthers: z
    .array(
      unlisted(
        z.strictObject({
          pod: z.string(),
          title: z.string(),
          gpu: z.string().nullable(),
          time: z.string().nullable(),
        }),
      ),
    )
    .optional(),
  findings: z.array(unlisted(Finding)).describe('Of its GPUs and the node, as they are now.'),
  events: z.array(unlisted(EventRow)),
  /** Of the container that failed; its lines are the program's own words. */
  log: unlisted(LogPart).optional(),
  job: unlisted(JobPart).optional(),
  searched: unlisted(Searched),
  /** What of the API server it took, with the logs. */
  asked: unlisted(z.strictObject({ requests: z.int(), bytes: z.int() })).optional(),
  unavailable: z.partialRecord(z.enum(MISSING_REASONS), z.array(z.string())).optional(),
});
export type FailureAnswer = z.infer<typeof FailureAnswer>;
