import { describe, expect, test } from 'vitest';
import { TOOLS } from '../../src/tools/index.ts';
import { listed } from '../../src/tools/listing.ts';
import { selectRows } from '../../src/tools/support/gpu-rows.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

function tool(name: string) {
  const found = TOOLS.find(other => other.name === name);
  if (!found) throw new Error(`no tool ${name}`);
  return found;
}

const ask = (name: string, input: object) => answered(tool(name), input, instrumentsOf('lost-gpu'));

/** Arguments that models were seen to send, and what they mean. */
describe.each([
  ['get_gpu_inventory', { gpu: 1 }, { gpu: '1' }],
  ['get_gpu_inventory', { gpu: null }, {}],
  ['get_gpu_inventory', { gpu: '' }, {}],
  ['get_gpu_inventory', { detail: 'FULL' }, { detail: 'full' }],
  ['get_gpu_inventory', { detail: ' summary ' }, { detail: 'summary' }],
  ['get_gpu_timeline', { limit: '10' }, { limit: 10 }],
  ['analyze_xid_errors', { code: '79' }, { code: 79 }],
  ['analyze_xid_errors', { severity: 'Critical' }, { severity: 'critical' }],
  ['explain_xid', { query: 79 }, { query: '79' }],
])('%s takes %j', (name, sent, meant) => {
  test(`as ${JSON.stringify(meant)}`, () => {
    expect(tool(name).question(sent).input).toEqual(tool(name).question(meant).input);
  });
});

describe.each(TOOLS.map(({ name }) => name))('%s', name => {
  test.each([null, ''])(
    'takes %j for everything that may be left out: a strict schema has a model fill in all',
    nothing => {
      const { inputSchema } = listed(tool(name));
      const needed = name === 'explain_xid' ? { query: '79' } : { pod: 'team-a/train-0' };
      const required = name === 'explain_xid' || name === 'explain_failure' ? needed : {};
      const all = Object.keys(Object(inputSchema['properties'])).map(key => [key, nothing]);
      expect(tool(name).question({ ...Object.fromEntries(all), ...required }).input).toEqual(
        tool(name).question(required).input,
      );
    },
  );
});

test.each([
  ['1', [1]],
  ['GPU 1', [1]],
  ['gpu1', [1]],
  ['#1', undefined],
  ['0f:00', undefined],
  ['1,2', [1, 2]],
  ['GPU 2, GPU 1', [1, 2]],
  ['all', [0, 1, 2, 3, 4, 5, 6, 7]],
])('the selector "%s" names GPUs %j', async (gpu, indexes) => {
  const asked = ask('get_gpu_inventory', { gpu });
  if (indexes === undefined) {
    await expect(asked).rejects.toThrow(`no GPU "${gpu}" on this node`);
    return;
  }
  const { structured } = await asked;
  expect(structured).toMatchObject({ gpus: indexes.map(index => ({ index })) });
});

test.each([
  ['0000:1b:00.0', 'whole'],
  ['1b:00', 'as lspci has it'],
  ['1B:00.0', 'in capitals'],
  ['00000000:1B:00.0', 'as NVML has it'],
  ['PCI:0000:1b:00', 'as an XID has it'],
])('the PCI address %s, %s, is the same GPU', async gpu => {
  const { structured } = await ask('get_gpu_inventory', { gpu });
  expect(structured).toMatchObject({ gpus: [{ pci: expect.stringMatching(/:1b:00$/) }] });
});

test.each(['1 hour', 'last 6h', '30 minutes ago', '2 days', '90 s', '1w', 'Last 2 Weeks'])(
  'since "%s" is a moment',
  since => {
    expect(tool('analyze_xid_errors').question({ since }).input).toMatchObject({ since });
  },
);

test.each([
  [
    'get_gpu_timeline',
    { limit: 0 },
    'argument "limit" of tool "get_gpu_timeline" must be at least 1, not 0',
    'limit: Entries at most; the newest are kept.',
  ],
  [
    'get_gpu_timeline',
    { limit: 'many' },
    'argument "limit" of tool "get_gpu_timeline" must be a number, not "many"',
    'limit: Entries at most; the newest are kept.',
  ],
  [
    'analyze_xid_errors',
    { severity: 'error' },
    'argument "severity" of tool "analyze_xid_errors" must be one of critical, warning, info, not "error"',
    'severity: This and worse; absent: all.',
  ],
  [
    'analyze_xid_errors',
    { since: 'once' },
    'argument "since" of tool "analyze_xid_errors" is "once": write a duration such as 30m, 24h or 7d, or an ISO time such as 2026-08-20T03:11:00Z',
    'since: 30m, 24h, 7d or an ISO time.',
  ],
  [
    'get_gpu_inventory',
    { gpu: ['1', '2'] },
    'argument "gpu" of tool "get_gpu_inventory" must be text, not a list',
    'gpu: Index, UUID or PCI address; absent: all.',
  ],
  [
    'explain_xid',
    {},
    'argument "query" of tool "explain_xid" is missing',
    expect.stringMatching(/^query: /),
  ],
  [
    'explain_failure',
    { pod: null },
    'argument "pod" of tool "explain_failure" is missing',
    'pod: NAME or NAMESPACE/NAME.',
  ],
])('%s refuses %j in words of ours', (name, input, message, hint) => {
  expect(() => tool(name).question(input)).toThrow(
    expect.objectContaining({ message, hint, name: 'UsageError' }),
  );
});

test('a bus that two domains have names no GPU: nobody may reset the wrong one', () => {
  const rows = [
    { index: 0, pci: '0000:1b:00' },
    { index: 1, pci: '0001:1b:00' },
  ];
  expect(() => selectRows(rows, '1b:00')).toThrow('more than one GPU is "1b:00" on this node');
  expect(selectRows(rows, '0001:1b:00.0')).toEqual([rows[1]]);
});
