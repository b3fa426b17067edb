import * as z from 'zod';
import type { ConnectionFlags } from '../cluster/flags.ts';
import { FORMATS } from '../report/format.ts';

const text = z.string().optional();
const texts = z.array(z.string()).optional();

/** kubectl's connection flags. */
const Connection = z.object({
  context: text,
  cluster: text,
  user: text,
  kubeconfig: text,
  namespace: text,
  as: text,
  asGroup: texts,
  asUid: text,
  server: text,
  token: text,
  certificateAuthority: text,
  clientCertificate: text,
  clientKey: text,
  insecureSkipTlsVerify: z.boolean().optional(),
  tlsServerName: text,
  requestTimeout: text,
});

/** Everything that yargs may hand over, checked once; commands read only this. */
export const Arguments = z.object({
  ...Connection.shape,
  target: z.array(z.coerce.string()).default([]),
  selector: text,
  local: z.boolean().optional(),
  simulate: text,
  from: z.union([z.string().transform(file => [file]), z.array(z.string())]).default([]),
  redactNames: z.boolean().default(false),
  image: text,
  imagePullSecret: texts,
  lifetime: z.enum(['job', 'pod']).optional(),
  transport: z.enum(['websocket', 'kubectl']).optional(),
  priorityClass: text,
  serviceAccount: text,
  driverRoot: text,
  reason: text,
  output: z.enum(FORMATS).default('text'),
  color: z.boolean().default(true),
  quiet: z.boolean().default(false),
  verbose: z.boolean().default(false),
  eager: z.boolean().default(false),
  since: text,
  failOn: z.enum(['critical', 'warning']).optional(),
  dryRun: z.boolean().default(false),
  olderThan: text,
  allNamespaces: z.boolean().default(false),
});
export type Arguments = z.infer<typeof Arguments>;

/** The part that says which cluster and as whom. */
export const connectionFlags = (args: Arguments): ConnectionFlags => Connection.parse(args);
