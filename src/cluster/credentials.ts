import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ClusterError } from '../contract/errors.ts';
import { CREDENTIAL_PLUGIN_MS_MAX, TOKEN_FILE_MS_MAX } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import { plainLines, plainText } from '../contract/untrusted.ts';
import { isObject, type Json, listAt, objectAt, parseJson, textOf } from './json.ts';
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
    const found = await runCredentialPlugin(user['exec'], settings, signal);
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

/** What a credential plugin returned. */
interface ExecCredential {
  readonly token: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  /** Milliseconds since 1970; absent: until the API server refuses it. */
  readonly expiresMs: number | undefined;
}

const STDERR_CHARACTERS_MAX = 2_000;
/** An ExecCredential holds a token and perhaps a certificate and its key. */
const STDOUT_CHARACTERS_MAX = 1_048_576;

/**
 * Runs the kubeconfig's credential plugin (client.authentication.k8s.io, `exec`).
 *
 * Unlike client-node's, it gets KUBERNETES_EXEC_INFO and a closed stdin, and what it says on
 * stderr reaches the person at once: device logins print their code there.
 *
 * @throws ClusterError naming the plugin and its last words.
 */
export async function runCredentialPlugin(
  exec: Json,
  settings: Pick<ConnectionSettings, 'clusterEntry' | 'isUnattended'>,
  signal: AbortSignal,
): Promise<ExecCredential> {
  const command = textOf(exec, 'command');
  if (textOf(exec, 'interactiveMode') === 'Always') {
    throw new ClusterError(`the credential plugin "${command}" needs a terminal`, {
      hint: 'log in once with kubectl, or use --transport kubectl',
    });
  }
  const { stdout, stderr, code } = await run(command, exec, settings, signal);
  const answer = parseJson(stdout);
  if (code !== 0 || !isObject(answer)) {
    const words = plainText(stderr, 300);
    throw new ClusterError(
      code === 0
        ? `the credential plugin "${command}" printed no ExecCredential`
        : `the credential plugin "${command}" failed with exit code ${code}${words ? `: ${words}` : ''}`,
      { hint: 'kubectl get nodes shows whether kubectl can log in' },
    );
  }
  const status = objectAt(answer, 'status');
  const expires = Date.parse(textOf(status, 'expirationTimestamp'));
  return {
    token: textOf(status, 'token') || undefined,
    certificate: textOf(status, 'clientCertificateData') || undefined,
    key: textOf(status, 'clientKeyData') || undefined,
    expiresMs: Number.isNaN(expires) ? undefined : expires,
  };
}

async function run(
  command: string,
  exec: Json,
  { clusterEntry, isUnattended = false }: Parameters<typeof runCredentialPlugin>[1],
  signal: AbortSignal,
) {
  const extra = listAt(exec, 'env').map(one => [textOf(one, 'name'), textOf(one, 'value')]);
  const over = AbortSignal.timeout(CREDENTIAL_PLUGIN_MS_MAX);
  const child = spawn(command, listAt(exec, 'args').map(String), {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A session of its own has no terminal: /dev/tty cannot be asked on.
    detached: isUnattended && process.platform !== 'win32',
    env: {
      ...process.env,
      ...Object.fromEntries(extra),
      KUBERNETES_EXEC_INFO: JSON.stringify(execInfo(exec, clusterEntry)),
    },
    signal: AbortSignal.any([signal, over]),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text;
    if (stdout.length > STDOUT_CHARACTERS_MAX) child.kill();
  });
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr = (stderr + text).slice(-STDERR_CHARACTERS_MAX);
    if (!isUnattended) process.stderr.write(plainLines(text));
  });
  try {
    const [code] = await once(child, 'close');
    return { stdout, stderr, code: typeof code === 'number' ? code : 1 };
  } catch (cause) {
    signal.throwIfAborted();
    if (over.aborted) {
      throw new ClusterError(
        `the credential plugin "${command}" has not ended after ${CREDENTIAL_PLUGIN_MS_MAX / 1_000} s`,
        { hint: 'kubectl get nodes shows what it waits for; log in there first', cause },
      );
    }
    if (textOf(cause, 'code') !== 'ENOENT') {
      throw new ClusterError(`the credential plugin "${command}" could not run`, { cause });
    }
    throw new ClusterError(`the credential plugin "${command}" was not found`, {
      hint:
        plainText(textOf(exec, 'installHint'), 400) ||
        `it is not on PATH (${process.env['PATH'] ?? ''}); desktop clients start with a short one`,
      cause,
    });
  }
}

/** KEP-541: what the plugin may know, with the cluster where `provideClusterInfo` asks for it. */
function execInfo(exec: Json, cluster: Json): Json {
  const info = exec['provideClusterInfo'] === true && {
    server: textOf(cluster, 'server'),
    'tls-server-name': textOf(cluster, 'tls-server-name') || undefined,
    'insecure-skip-tls-verify': cluster['insecure-skip-tls-verify'] === true || undefined,
    'certificate-authority-data': textOf(cluster, 'certificate-authority-data') || undefined,
    'proxy-url': textOf(cluster, 'proxy-url') || undefined,
    config: clusterExtension(cluster),
  };
  return {
    apiVersion: textOf(exec, 'apiVersion') || 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    spec: { interactive: false, ...(info && { cluster: info }) },
  };
}

const clusterExtension = (cluster: Json): unknown => {
  const found = listAt(cluster, 'extensions').find(
    one => textOf(one, 'name') === 'client.authentication.k8s.io/exec',
  );
  return isObject(found) ? found['extension'] : undefined;
};
