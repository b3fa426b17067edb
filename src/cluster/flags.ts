import { UsageError } from '../contract/errors.ts';

/** kubectl's connection flags, by their names in camel case. */
export interface ConnectionFlags {
  readonly context?: string | undefined;
  readonly cluster?: string | undefined;
  readonly user?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly namespace?: string | undefined;
  readonly as?: string | undefined;
  readonly asGroup?: readonly string[] | undefined;
  readonly asUid?: string | undefined;
  readonly server?: string | undefined;
  readonly token?: string | undefined;
  readonly certificateAuthority?: string | undefined;
  readonly clientCertificate?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly insecureSkipTlsVerify?: boolean | undefined;
  readonly tlsServerName?: string | undefined;
  /** `0`, seconds, or a Go duration such as `1m30s`. */
  readonly requestTimeout?: string | undefined;
}

/** The same flags for a kubectl of our own. The namespace is left to the caller. */
export function kubectlFlags(flags: ConnectionFlags): readonly string[] {
  const one = (name: string, value: string | undefined) =>
    value === undefined ? [] : [`--${name}=${value}`];
  return [
    ...one('context', flags.context),
    ...one('cluster', flags.cluster),
    ...one('user', flags.user),
    ...one('kubeconfig', flags.kubeconfig),
    ...one('as', flags.as),
    ...(flags.asGroup ?? []).map(group => `--as-group=${group}`),
    ...one('as-uid', flags.asUid),
    ...one('server', flags.server),
    ...one('token', flags.token),
    ...one('certificate-authority', flags.certificateAuthority),
    ...one('client-certificate', flags.clientCertificate),
    ...one('client-key', flags.clientKey),
    ...(flags.insecureSkipTlsVerify ? ['--insecure-skip-tls-verify'] : []),
    ...one('tls-server-name', flags.tlsServerName),
  ];
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Milliseconds of `--request-timeout`; undefined where there is none (`0` means none, as in kubectl).
 *
 * @throws UsageError when it is no duration.
 */
export function requestTimeoutMs(text: string | undefined): number | undefined {
  if (text === undefined || /^0+(ms|s|m|h)?$/.test(text)) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    throw new UsageError(
      `--request-timeout "${text.slice(0, 40)}" is not a duration`,
      'write 30s, 2m or a number of seconds',
    );
  }
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g);
  return [...parts].reduce(
    (sum, [, digits, unit = 's']) => sum + Number(digits) * (UNIT_MS[unit] ?? 0),
    0,
  );
}
