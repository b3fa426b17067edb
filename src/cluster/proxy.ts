import { BlockList, isIP } from 'node:net';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for this server from HTTPS_PROXY and NO_PROXY, by the rules that kubectl follows:
 * golang.org/x/net/http/httpproxy. Loopback addresses are never proxied.
 */
export function proxyOf(url: URL, environment: Environment): string | undefined {
  const name = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const proxy = environment[name.toUpperCase()] || environment[name];
  if (!proxy) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || host.startsWith('127.') || host === '::1') return undefined;
  const rules = (environment['NO_PROXY'] || environment['no_proxy'] || '').split(',');
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const excepted = rules.some(rule => matches(rule.trim().toLowerCase(), { host, port }));
  if (excepted) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

/** One entry of NO_PROXY: `*`, an address, a network, `example.com`, `.example.com`, with a port. */
function matches(rule: string, server: { readonly host: string; readonly port: string }): boolean {
  if (rule === '') return false;
  if (rule === '*') return true;
  const network = /^([0-9a-f.:]+)\/(\d+)$/.exec(rule);
  if (network) return isInNetwork(server.host, network[1] ?? '', Number(network[2]));
  const [, name = rule, port] = /^(?:\*)?([^:]+):(\d+)$/.exec(rule) ?? [
    undefined,
    rule.replace(/^\*/, ''),
  ];
  if (port !== undefined && port !== server.port) return false;
  if (isIP(server.host)) return name === server.host;
  // A leading dot means subdomains only; without it the domain itself counts too.
  return name.startsWith('.')
    ? server.host.endsWith(name)
    : server.host === name || server.host.endsWith(`.${name}`);
}

function isInNetwork(host: string, network: string, bits: number): boolean {
  const family = isIP(host);
  if (family === 0 || family !== isIP(network) || bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(network, bits, type);
  return list.check(host, type);
}
