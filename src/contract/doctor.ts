import * as z from 'zod';

/** What is checked, in the order in which a session comes by it. */
const CHECKS = [
  'kubeconfig',
  'credentials',
  'api-server',
  'rights',
  'namespace',
  'pod-security',
  'quota',
  'limit-range',
  'admission',
  'gpu-nodes',
  'node',
  'kubelet',
  'taints',
  'pressure',
  'room',
  'system',
  'runtime',
  'image',
  'image-platform',
  'sessions',
  'attach',
  'clock',
  'node-clock',
  'node-js',
  'kubectl',
  'plugin',
] as const;
export const CheckId = z.enum(CHECKS);
export type CheckId = z.infer<typeof CheckId>;

export const CHECK_STATES = ['failed', 'unknown', 'warning', 'ok'] as const;
export const CheckState = z.enum(CHECK_STATES);
export type CheckState = z.infer<typeof CheckState>;

export const Check = z.strictObject({
  id: CheckId,
  state: CheckState.describe(
    'failed: no session starts; unknown: it could not be proven, and the message says why.',
  ),
  message: z.string(),
  hint: z.string().optional().describe('What to try, in a sentence.'),
  commands: z.array(z.string()).optional().describe('Commands that tell more or repair it.'),
  adminCommands: z
    .array(z.string())
    .optional()
    .describe('Commands that repair it, for whoever may do that in the cluster.'),
  exitCode: z
    .union([z.literal(3), z.literal(4)])
    .optional()
    .describe('Of a failed one: what a session would end with.'),
});
export type Check = z.infer<typeof Check>;

/** What `doctor -o json` and `-o yaml` print. */
export const DoctorReport = z.strictObject({
  apiVersion: z.literal('gpu-mcp/v1'),
  kind: z.literal('DoctorReport'),
  takenAt: z.iso.datetime(),
  versions: z.strictObject({ plugin: z.string() }),
  server: z.string().nullable().describe('Null where there is no kubeconfig that can be used.'),
  context: z.string().nullable(),
  namespace: z.string().nullable(),
  node: z.string().nullable().describe('Null where none was named.'),
  verdict: CheckState.describe('The worst of the checks; ok: everything was proven.'),
  summary: z.string(),
  counts: z.strictObject({ failed: z.int(), unknown: z.int(), warning: z.int(), ok: z.int() }),
  checks: z
    .array(Check)
    .describe('Several may bear one id: each right that is missing is a check of its own.'),
});
export type DoctorReport = z.infer<typeof DoctorReport>;
