import { expect, test } from 'vitest';
import { podChoices } from '../../src/cli/pod-choices.ts';

const chosen = (args: Parameters<typeof podChoices>[0]['args']) =>
  podChoices({ args, io: { environment: {} } });

test('what a restricted pod has is taken over', () => {
  const args = { profile: 'restricted', runtimeClass: 'mine', syslog: false } as const;
  expect(chosen(args)).toMatchObject({
    ...{ profile: 'restricted', runtimeClassName: 'mine', syslog: false },
  });
});

test.each([
  [{ runtimeClass: 'nvidia' }, '--runtime-class is for --profile restricted'],
  [{ syslog: false }, '--no-syslog is for --profile restricted'],
  [{ profile: 'mounted', syslog: false } as const, '--no-syslog is for --profile restricted'],
  [
    { profile: 'restricted', driverRoot: '/run/nvidia/driver' } as const,
    '--driver-root and --profile restricted exclude each other',
  ],
])('%j is refused', (args, words) => {
  expect(() => chosen(args)).toThrow(words);
});
