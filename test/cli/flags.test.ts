import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { CONNECTION, kubectlFlags } from '../../src/cluster/connection-flags.ts';
import { dashed, optionOf } from '../../src/contract/flag.ts';
import { FakeApiServer } from '../cluster/fake-api-server.ts';
import { run } from './run.ts';

const NO_CLUSTER = ['--kubeconfig', '/nowhere'];

test.each([
  [['triage', 'node-a', ...NO_CLUSTER, '--since']],
  [['capture', 'node-a', ...NO_CLUSTER, '-f', '/nowhere/x', '--since']],
  [['diff', 'before.gz', 'after.gz', '--since']],
  [['analyze', 'kern.log', '--since']],
  [['clean', ...NO_CLUSTER, '--older-than']],
])('what is no moment is said in one voice, before anything is read or started: %j', async argv => {
  for (const text of ['yesterday', '2026-13-45']) {
    expect(await run([...argv, text])).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: "${text}" is not a time\ntry: write a duration such as 30m, 24h or 7d, or an ISO time such as 2026-08-20T03:11:00Z\n`,
    });
  }
});

test.each([
  [['triage', 'node-a', '--context'], '--context has no value', 'triage [target..]'],
  [['triage', 'node-a', '--since'], '--since has no value', 'triage [target..]'],
  [['analyze', 'kern.log', '--time-zone'], '--time-zone has no value', 'analyze <file>'],
])('%j lacks a value', async (argv, sentence, command) => {
  const ran = await run(argv);
  expect(ran.stderr).toMatch(`error: ${sentence}\ntry: kubectl gpu-mcp ${command} --`);
  expect([ran.code, ran.stdout]).toEqual([2, '']);
});

test.each([
  [['triage', 'node-a', '--as-uid', '1', '--as-uid', '2'], 'as-uid'],
  [['analyze', 'kern.log', '--time-zone', 'UTC', '--time-zone', 'UTC'], 'time-zone'],
  [['capture', 'node-a', '-f', 'a', '-f', 'b'], 'file'],
])('a flag that is given twice is refused by its name: %j', async (argv, flag) => {
  const ran = await run(argv);
  expect(ran.stderr).toBe(
    `error: --${flag} is wrong: Invalid input: expected string, received array\ntry: give --${flag} once\n`,
  );
  expect(ran.code).toBe(2);
});

describe('the table of connection flags', () => {
  const given = Object.fromEntries(
    Object.entries(CONNECTION).map(([key, schema]) => {
      const { type } = optionOf(schema);
      return [key, type === 'boolean' ? true : type === 'array' ? ['a', 'b'] : `the ${key}`];
    }),
  );

  test('a kubectl of our own gets each, but for the namespace and how long we wait', () => {
    const names = kubectlFlags(z.object(CONNECTION).parse(given)).map(
      word => /^--([^=]+)/.exec(word)?.[1],
    );
    const left = Object.keys(CONNECTION)
      .map(dashed)
      .filter(name => !names.includes(name));
    expect(left).toEqual(['namespace', 'request-timeout']);
  });

  test('the help names each', async () => {
    const { stdout } = await run(['triage', '--help']);
    for (const key of Object.keys(CONNECTION)) expect(stdout).toContain(`--${dashed(key)} `);
  });
});

describe('resources of the pod', () => {
  const pod = async (...flags: string[]) => {
    await using api = await FakeApiServer.start();
    api.put('nodes', { metadata: { name: 'node-a' } });
    const access = ['--kubeconfig', await api.kubeconfig(), '--image', 'example/a:1'];
    return await run(['manifest', 'pod', 'node-a', '-q', ...access, ...flags]);
  };

  test('are request and limit in one, so that every LimitRange that allows the value takes both', async () => {
    const { stdout } = await pod('--cpu', '250m', '--memory', '256Mi');
    expect(stdout).toMatch(
      /resources:\s+requests:\s+cpu: 250m\s+memory: 256Mi\s+limits:\s+cpu: 250m\s+memory: 256Mi/,
    );
  });

  test('are ours where they are not given', async () => {
    const { stdout } = await pod();
    expect(stdout).toMatch(
      /resources:\s+requests:\s+cpu: 10m\s+memory: 64Mi\s+limits:\s+cpu: '2'\s+memory: 512Mi/,
    );
  });

  test.each(['1', '0.5', '.5', '1500m', '2k', '1Gi', '300M', '0.1'])(
    '%s is a quantity',
    async word => {
      expect((await pod('--cpu', word)).code).toBe(0);
    },
  );

  test.each(['0', '0m', '0.0', '-1', '1 Gi', 'much', '1GB', '', '1e3x'])(
    '%j is none',
    async word => {
      const { code, stderr } = await pod(`--memory=${word}`);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: `error: "${word}" is not a quantity\ntry: write 500m, 2 or 256Mi\n`,
      });
    },
  );
});
