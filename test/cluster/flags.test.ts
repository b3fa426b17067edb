import { expect, test } from 'vitest';
import { kubectlFlags, requestTimeoutMs } from '../../src/cluster/connection-flags.ts';
import { proxyOf } from '../../src/cluster/proxy.ts';

test.each([
  ['0', undefined],
  ['30', 30_000],
  ['1m30s', 90_000],
  ['500ms', 500],
])('--request-timeout %s', (text, ms) => {
  expect(requestTimeoutMs(text)).toBe(ms);
});

test('--request-timeout that is no duration is refused', () => {
  expect(() => requestTimeoutMs('soon')).toThrow('is not a duration');
});

test('every connection flag reaches a kubectl of our own', () => {
  expect(
    kubectlFlags({
      context: 'c',
      asGroup: ['a', 'b'],
      insecureSkipTlsVerify: true,
      tlsServerName: 't',
    }),
  ).toEqual([
    '--context=c',
    '--as-group=a',
    '--as-group=b',
    '--insecure-skip-tls-verify',
    '--tls-server-name=t',
  ]);
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
];
test.each(proxies)('proxy for %s with NO_PROXY "%s"', (url, none, proxy) => {
  const environment = { HTTPS_PROXY: 'proxy:3128', NO_PROXY: none };
  expect(proxyOf(new URL(url), environment)).toBe(proxy);
});
