import { expect, inject, test } from 'vitest';
import * as z from 'zod';
import { openLocalLink } from '../../src/session/link.ts';
import { createSession } from '../../src/session/session.ts';
import { clientBy } from '../fakes/agent-session.ts';

const Merged = z.looseObject({
  merged: z.array(z.looseObject({ node: z.string(), time: z.string() })),
  clocks: z.array(z.looseObject({ offsetMs: z.number(), uncertaintyMs: z.number() })),
});

test('agents as processes: the skew of a clock is found to within the stated uncertainty', async () => {
  const agentFile = inject('agent');
  const { signal } = new AbortController();
  const node = (target: string, skewMs: number) =>
    createSession({
      target,
      openLink: () =>
        openLocalLink(
          {
            agentFile,
            agentArguments: [
              '--simulate',
              'lost-gpu',
              '--node',
              target,
              `--clock-skew-ms=${skewMs}`,
            ],
            environment: {},
          },
          signal,
        ),
    });
  const sessions = [node('node-a', 0), node('node-b', -3_000)];
  const client = await clientBy({ nowMs: () => Date.now() }, ...sessions);
  const result = await client.callTool({ name: 'analyze_xid_errors', arguments: {} });
  await Promise.all(sessions.map(session => session.close()));
  const { merged, clocks } = Merged.parse(result.structuredContent);
  const errors = clocks.map(({ offsetMs, uncertaintyMs }, index) => ({
    error: Math.abs(offsetMs - (index === 0 ? 0 : -3_000)),
    uncertaintyMs,
  }));
  expect(errors.filter(({ error, uncertaintyMs }) => error > uncertaintyMs)).toEqual([]);
  expect(clocks).toHaveLength(2);
  const times = merged.map(({ time }) => time);
  expect(times).toEqual(times.toSorted());
  expect(new Set(merged.map(each => each.node))).toEqual(new Set(['node-a', 'node-b']));
});
