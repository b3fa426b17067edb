import * as z from 'zod';
import type { ConnectionFlags } from '../cluster/flags.ts';
import { FORMATS } from '../report/format.ts';

const text = z.string().optional();
const texts = z.array(z.string()).optional();

/** Everything that yargs may hand over, checked once; commands read only this. */
export const Arguments = z.object({
  target: z.array(z.coerce.string()).default([]),
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
  selector: text,
  local: z.boolean().optional(),
  simulate: text,
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
export function connectionFlags(args: Arguments): ConnectionFlags {
  const {
    context,
    cluster,
    user,
    kubeconfig,
    namespace,
    as,
    asGroup,
    asUid,
    server,
    token,
    certificateAuthority,
    clientCertificate,
    clientKey,
    insecureSkipTlsVerify,
    tlsServerName,
    requestTimeout,
  } = args;
  return {
    context,
    cluster,
    user,
    kubeconfig,
    namespace,
    as,
    asGroup,
    asUid,
    server,
    token,
    certificateAuthority,
    clientCertificate,
    clientKey,
    insecureSkipTlsVerify,
    tlsServerName,
    requestTimeout,
  };
}
