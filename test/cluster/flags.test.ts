import { expect, test } from 'vitest';
import { kubectlFlags, requestTimeoutMs } from '../../src/cluster/connection-flags.ts';
import { proxyOf } from '../../src/cluster/proxy.ts';

test.each([
  ['0', 0],
  ['30', 30_000],
  ['1m30s', 90_000],
  ['500ms', 500],
  ['1.25s', 1_250],
  ['2h0.5m', 7_230_000],
  ['00s', 0],
  [undefined, undefined],
  ['05', 5_000],
])('--request-timeout %s', (text, ms) => {
  expect(requestTimeoutMs(text)).toBe(ms);
});

test.each(['soon', '', '5 s', 'x5s', '5sx', '1.xs', '-5', '5d', '0x', `${'9'.repeat(41)}d`])(
  '--request-timeout %j is not a duration',
  text => {
    expect(() => requestTimeoutMs(text)).toThrow(
      expect.objectContaining({
        message: `--request-timeout "${text.slice(0, 40)}" is not a duration`,
        hint: 'write 30s, 2m or a number of seconds',
      }),
    );
  },
);

test('every connection flag reaches a kubectl of our own', () => {
  expect(
    kubectlFlags({
      ...{ context: 'c', cluster: 'cl', user: 'u', kubeconfig: 'k', as: 'bob', asUid: 'id' },
      ...{ asGroup: ['a', 'b'], server: 's', token: 'tok', certificateAuthority: 'ca' },
      ...{ clientCertificate: 'crt', clientKey: 'key', insecureSkipTlsVerify: true },
      ...{ tlsServerName: 't', username: 'n', password: 'pw', proxyUrl: 'px' },
      asUserExtra: ['x=1', 'x=2'],
    }),
  ).toEqual([
    ...['--context=c', '--cluster=cl', '--user=u', '--kubeconfig=k', '--as=bob'],
    ...['--as-group=a', '--as-group=b', '--as-uid=id', '--as-user-extra=x=1'],
    ...['--as-user-extra=x=2', '--server=s', '--token=tok', '--username=n', '--password=pw'],
    ...['--certificate-authority=ca', '--client-certificate=crt', '--client-key=key'],
    ...['--insecure-skip-tls-verify', '--tls-server-name=t', '--proxy-url=px'],
  ]);
  expect(kubectlFlags({})).toEqual([]);
});

const proxies: readonly [string, string, string | undefined][] = [
  ['https://10.1.2.3:6443', '', 'http://proxy:3128'],
  ['https://10.1.2.3:6443', '10.0.0.0/8', undefined],
  ['https://10.1.2.3:6443', '10.1.2.3:443', 'http://proxy:3128'],
  ['https://api.example.com', 'example.com', undefined],
  ['https://api.example.com', '.example.com', undefined],
  ['https://example.com', '.example.com', 'http://proxy:3128'],
  ['https://notexample.com', 'example.com', 'http://proxy:3128'],
  ['https://localhost:6443', '', undefined],
  ['https://127.1.2.3', '', undefined],
  ['https://[::1]', '', undefined],
  ['https://10.1.2.3', '10.1.2.3:443', undefined],
  ['https://10.1.2.3', 'x,10.1.2.3', undefined],
  ['https://10.1.2.3', '2.3', 'http://proxy:3128'],
  ['https://10.1.2.3', '10.1.2.3/33', 'http://proxy:3128'],
  ['https://10.1.2.3', 'fd00::/8', 'http://proxy:3128'],
  ['https://[fd00::1]', 'FD00::/8', undefined],
  ['https://[fe00::1]', 'fd00::/8', 'http://proxy:3128'],
  ['https://fd.example', 'fd00::/8', 'http://proxy:3128'],
  ['https://API.Example.com', ' example.com ', undefined],
  ['https://api.example.com', '*.example.com', undefined],
  ['https://example.com', '*.example.com', 'http://proxy:3128'],
  ['https://api.example.com', '*example.com:443', undefined],
  ['https://api.example.com', 'example.com:6443', 'http://proxy:3128'],
  ['https://api.example.com', '*', undefined],
  ['https://api.example.com', ',,', 'http://proxy:3128'],
  ['http://api.example.com', '', undefined],
];
test.each(proxies)('proxy for %s with NO_PROXY "%s"', (url, none, proxy) => {
  const environment = { HTTPS_PROXY: 'proxy:3128', NO_PROXY: none };
  expect(proxyOf(new URL(url), environment)).toBe(proxy);
});

test('a proxy for plain HTTP, in small letters, with a scheme of its own', () => {
  const url = new URL('http://api.example.com');
  const environment = { http_proxy: 'socks5://proxy:1080', no_proxy: 'api.example.com:81' };
  expect(proxyOf(url, environment)).toBe('socks5://proxy:1080');
  expect(proxyOf(url, { ...environment, no_proxy: 'api.example.com:80' })).toBeUndefined();
  expect(proxyOf(url, {})).toBeUndefined();
});
