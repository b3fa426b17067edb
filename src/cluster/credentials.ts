import { TOKEN_FILE_MS_MAX } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import { runCredentialPlugin } from './exec-credential.ts';
import { isObject, textOf } from './json.ts';
import { type ConnectionSettings, readNamed } from './settings.ts';

/** How a request proves who asks. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly certificate: string | Buffer | undefined;
  readonly key: string | Buffer | undefined;
  /** Milliseconds since 1970. */
  readonly expiresMs: number | undefined;
}

/**
 * Gets credentials from the user's entry: plugin, token, token file, password, client certificate.
 * `auth-provider` entries (OIDC and older ones) are left to client-node.
 *
 * @throws ClusterError naming the plugin or file.
 */
export async function getCredentials(
  settings: ConnectionSettings,
  clock: Clock,
  signal: AbortSignal,
): Promise<Credentials> {
  const user = settings.userEntry;
  if (isObject(user['exec'])) {
    const found = await runCredentialPlugin(user['exec'], settings.clusterEntry, signal);
    return {
      authorization: found.token ? `Bearer ${found.token}` : undefined,
      certificate: found.certificate ?? (await pem(user, 'client-certificate')),
      key: found.key ?? (await pem(user, 'client-key')),
      expiresMs: found.expiresMs,
    };
  }
  const file = textOf(user, 'tokenFile');
  const fromFile = file && (await readNamed(file, 'token file')).toString('utf8').trim();
  const token = fromFile || textOf(user, 'token');
  const basic =
    textOf(user, 'username') && `${textOf(user, 'username')}:${textOf(user, 'password')}`;
  return {
    authorization: token
      ? `Bearer ${token}`
      : basic
        ? `Basic ${Buffer.from(basic).toString('base64')}`
        : undefined,
    certificate: await pem(user, 'client-certificate'),
    key: await pem(user, 'client-key'),
    expiresMs: file ? clock.nowMs() + TOKEN_FILE_MS_MAX : undefined,
  };
}

async function pem(
  user: ConnectionSettings['userEntry'],
  name: 'client-certificate' | 'client-key',
): Promise<Buffer | undefined> {
  const data = textOf(user, `${name}-data`);
  if (data) return Buffer.from(data, 'base64');
  const file = textOf(user, name);
  return file ? readNamed(file, name.replace('-', ' ')) : undefined;
}
