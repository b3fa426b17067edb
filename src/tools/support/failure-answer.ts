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
  /** The run that is explained. */
  from: z.string().optional(),
  to: z.string().optional(),
  incidents: z.array(unlisted(Incident)),
  findings: z.array(unlisted(Finding)).describe('Of its GPUs and the node, as they are now.'),
  events: z.array(unlisted(EventRow)),
  searched: unlisted(Searched),
  unavailable: z.partialRecord(z.enum(MISSING_REASONS), z.array(z.string())).optional(),
});
export type FailureAnswer = z.infer<typeof FailureAnswer>;
