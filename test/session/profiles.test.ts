import { describe, expect, test } from 'vitest';
import { ASKS, POD_PROFILES, PROFILES } from '../../src/contract/labels.ts';
import { ephemeralContainer } from '../../src/session/ephemeral-container.ts';
import { podSpec } from '../../src/session/pod-spec.ts';
import { read } from '../house/files.ts';

const node = { name: 'gpu-1', osImage: 'Ubuntu 24.04', kubeletVersion: 'v1.37.2', labels: {} };

/** What the words of a profile say that it has. */
const saidOf = (words: string) => ({
  privileged: /\ba privileged pod\b/.test(words),
  hostPid: /with the PIDs of the node/.test(words),
  mounts: /read-only mounts/.test(words),
  syslog: /CAP_SYSLOG at most/.test(words),
});

describe('what each profile is said to ask for is what its pod has', () => {
  test.each(POD_PROFILES)('%s', profile => {
    const { spec } = podSpec({
      ...{ name: 'p', namespace: 'n', node, image: 'x:1', session: 's', nowMs: 0, profile },
    });
    const { securityContext } = spec?.containers[0] ?? {};
    const added = securityContext?.capabilities?.add ?? [];
    expect(saidOf(ASKS[profile])).toEqual({
      privileged: securityContext?.privileged === true,
      hostPid: spec?.hostPID === true,
      mounts: (spec?.volumes ?? []).length > 0,
      syslog: added.length > 0,
    });
    expect(added).toEqual(profile === 'restricted' ? ['SYSLOG'] : []);
  });

  test('ephemeral', () => {
    const made = ephemeralContainer({
      ...{ image: 'x:1', session: 's', pod: { node: 'gpu-1', uid: 'u' } },
      target: {
        ...{ name: 'train', state: 'running', reason: '', id: 'i', gpus: [] },
        security: { user: 1_000, drop: [], add: ['SYS_ADMIN'], confined: {} },
      },
    });
    expect(saidOf(ASKS.ephemeral)).toEqual({
      ...{ privileged: false, hostPid: false, mounts: false, syslog: false },
    });
    expect(made.securityContext).not.toHaveProperty('privileged');
    expect(made.securityContext?.runAsUser).toBe(1_000);
    expect(made.volumeMounts).toBeUndefined();
  });
});

test('docs/admins.md has the same words', async () => {
  const rows = PROFILES.map(profile => `| \`${profile}\` | ${ASKS[profile]} |`);
  const table = ['| `--profile` | starts |', '| --- | --- |', ...rows].join('\n');
  const [begin, end] = ['<!-- profiles:begin -->', '<!-- profiles:end -->'];
  const page = read('docs/admins.md');
  const before = page.slice(0, page.indexOf(begin) + begin.length);
  const after = page.slice(page.indexOf(end));
  await expect(`${before}\n${table}\n${after}`).toMatchFileSnapshot('../../docs/admins.md');
});
