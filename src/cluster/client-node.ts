import type { Agent } from 'node:http';
import type { RequestOptions } from 'node:https';
import { ClusterError } from '../contract/errors.ts';
import { isObject, textOf } from './json.ts';
import type { ConnectionSettings } from './settings.ts';

/**
 * What only client-node knows: `auth-provider` entries (OIDC refresh) and proxies (HTTP, HTTPS,
 * SOCKS). It is loaded here and nowhere else, because its import takes 80 ms of the 700 ms in which
 * a call must be answered, and most kubeconfigs need neither.
 */
export async function askClientNode(
  settings: ConnectionSettings,
  tls: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>,
): Promise<{ readonly agent: Agent | undefined; readonly authorization: string | undefined }> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const config = new KubeConfig();
  const provider = settings.userEntry['auth-provider'];
  config.loadFromOptions({
    clusters: [
      {
        name: 'cluster',
        server: settings.url.href,
        skipTLSVerify: settings.insecure || settings.url.protocol === 'http:',
        ...(settings.proxyUrl && { proxyUrl: settings.proxyUrl }),
      },
    ],
    users: [{ name: 'user', ...(isObject(provider) && { authProvider: provider }) }],
    contexts: [{ name: 'context', cluster: 'cluster', user: 'user' }],
    currentContext: 'context',
  });
  const options: RequestOptions = { ...tls, headers: {} };
  try {
    await config.applyToHTTPSOptions(options);
  } catch (cause) {
    const name = textOf(provider, 'name') || 'proxy';
    throw new ClusterError(`the kubeconfig's ${name} settings could not be used`, {
      hint: 'use --transport kubectl, or a kubeconfig with a credential plugin',
      cause,
    });
  }
  const { agent } = options;
  const authorization = textOf(options.headers, 'Authorization') || undefined;
  return { agent: typeof agent === 'object' ? agent : undefined, authorization };
}

/** Whether the kubeconfig asks for what only client-node can do. */
export const needsClientNode = (settings: ConnectionSettings): boolean =>
  settings.proxyUrl !== undefined || isObject(settings.userEntry['auth-provider']);
