import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { textOf } from '../../src/contract/answer.ts';
import { explainXid } from '../../src/tools/catalog/explain-xid.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { listed } from '../../src/tools/listing.ts';
import type { AnyTool } from '../../src/tools/tool.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { answersAsItSays, NEEDED } from './as-it-says.ts';

function tool(name: string): AnyTool {
  const found = TOOLS.find(other => other.name === name);
  if (!found) throw new Error(`no tool ${name}`);
  return found;
}

const ask = (name: string, machine: string, input: object = {}) =>
  answered(tool(name), input, instrumentsOf(machine));

const NODE_TOOLS = TOOLS.filter(({ isLocal }) => !isLocal).map(({ name }) => name);

describe.each(TOOLS.map(({ name }) => name))('%s', name => {
  test('has a description of one glance and only reads', () => {
    const definition = listed(tool(name));
    expect(definition.description.length).toBeLessThan(620);
    expect(definition.description).not.toMatch(/IMPORTANT|ALWAYS|NEVER/);
    expect(definition.annotations).toMatchObject({
      readOnlyHint: true,
      destructiveHint: false,
      idempotentHint: true,
      openWorldHint: false,
    });
    expect(definition.inputSchema).toMatchObject({ additionalProperties: false });
    expect(definition.outputSchema).toMatchObject({ additionalProperties: false });
  });

  test('an argument that it does not know is refused by name', () => {
    expect(() => tool(name).question({ ...NEEDED[name], colour: 'red' })).toThrow(
      `unknown argument "colour" for tool "${name}"`,
    );
  });
});

/** One of each kind; every-machine.slow.ts asks all of them. */
const MACHINES = ['dgx-h100', 'lost-gpu', 'hung-driver', 'no-driver', 'mig-a100', 'job-pending'];

describe.each(NODE_TOOLS)('%s', name => {
  test.each(MACHINES)('answers on %s as its schema says, and says that it is simulated', machine =>
    answersAsItSays(tool(name), machine),
  );
});

test('all definitions together cost a model less than 6000 tokens', () => {
  expect(JSON.stringify(TOOLS.map(listed)).length / 4).toBeLessThan(6000);
});

test('a line of the log gets the action that is decided for its GPU, and keeps its own word', async () => {
  const { structured } = await ask('analyze_xid_errors', 'hung-driver');
  expect(structured).toMatchObject({
    incidents: [
      {
        action: 'reboot_node',
        actionSource: expect.stringMatching(
          /^finding driver-unresponsive; this line alone says reset_gpu \(/,
        ),
      },
    ],
  });
});

test('triage of a lost GPU reads like this', async () => {
  const { text } = await ask('triage_gpu_node', 'lost-gpu');
  await expect(text).toMatchFileSnapshot('triage-lost-gpu.txt');
});

test('triage of a healthy machine under load reads like this', async () => {
  const { text } = await ask('triage_gpu_node', 'dgx-h100');
  await expect(text).toMatchFileSnapshot('triage-dgx-h100.txt');
});

test('triage of a hung driver reads like this', async () => {
  const { text } = await ask('triage_gpu_node', 'hung-driver');
  await expect(text).toMatchFileSnapshot('triage-hung-driver.txt');
});

test('a healthy answer for eight GPUs fits in 2000 tokens', async () => {
  for (const name of NODE_TOOLS) {
    const { structured } = await ask(name, 'dgx-h100', NEEDED[name]);
    expect(JSON.stringify(structured).length / 4, name).toBeLessThan(2000);
  }
});

describe('get_gpu_inventory', () => {
  const Rows = z.object({
    gpus: z.array(
      z.looseObject({
        index: z.int().optional(),
        pci: z.string().optional(),
        error: z.string().optional(),
      }),
    ),
  });

  test('keeps a lost GPU as a row with its address and error', async () => {
    const { structured } = await ask('get_gpu_inventory', 'lost-gpu');
    const { gpus } = Rows.parse(structured);
    expect(gpus).toHaveLength(8);
    expect(gpus[3]).toMatchObject({ index: 3, pci: '0000:61:00', error: 'gpu_is_lost' });
  });

  test('without a driver the GPUs of the bus are the rows', async () => {
    const { structured } = await ask('get_gpu_inventory', 'no-driver');
    const { gpus } = Rows.parse(structured);
    expect(gpus).toHaveLength(4);
    expect(new Set(gpus.map(gpu => gpu.error))).toEqual(new Set(['library_not_found']));
  });

  test.each(['2', '0000:52:00', '00000000:52:00.0'])('selects one GPU by %s', async gpu => {
    const { structured } = await ask('get_gpu_inventory', 'dgx-h100', { gpu });
    expect(Rows.parse(structured).gpus.map(row => row.index)).toEqual([2]);
  });

  test('a GPU that is not here is refused with those that are', async () => {
    await expect(ask('get_gpu_inventory', 'dgx-h100', { gpu: '8' })).rejects.toThrow(
      'no GPU "8" on this node',
    );
  });
});

test('full detail has the groups of readings, and names what is missing under its reason', async () => {
  const { structured } = await ask('get_gpu_inventory', 'b200', { detail: 'full', gpu: '0' });
  expect(structured).toMatchObject({
    gpus: [
      {
        architecture: 'blackwell',
        inforom: { imageVersion: expect.any(String) },
        fabric: { state: 'completed', health: { routeUnhealthy: 'healthy' } },
        violations: { powerNs: expect.any(Number) },
        unavailable: { not_supported: expect.arrayContaining(['retiredPagesPending']) },
      },
    ],
  });
});

test('full detail says how a GPU is divided, and what still fits', async () => {
  const { text } = await ask('get_gpu_inventory', 'mig-a100', { detail: 'full' });
  expect(text.split('\n').filter(line => line.includes('MIG'))).toMatchInlineSnapshot(`
    [
      "GPU 0  0000:07:00    NVIDIA A100-SXM4-80GB  47 °C  181/400 W  36.7/80.0 GiB  MIG",
      "  MIG 3g.40gb  GPU instance 1, memory slices 4-7  18.6 GiB of 39.3 GiB  MIG-5f3b0b1e-7d0c-5a6e-9c6b-0d6a3b1f8c21",
      "  MIG 3g.40gb  GPU instance 2, memory slices 0-3  17.7 GiB of 39.3 GiB  MIG-c2a4e7d9-31b8-5e0f-8f27-64d9b1a0e573",
      "  MIG free/total: 1g.10gb 0/7, 2g.20gb 0/3, 3g.40gb 0/2, 4g.40gb 0/1, 7g.80gb 0/1",
      "GPU 1  0000:0f:00    NVIDIA A100-SXM4-80GB  33 °C  72/400 W  0.5/80.0 GiB  MIG",
      "  MIG free/total: 1g.10gb 7/7, 2g.20gb 3/3, 3g.40gb 2/2, 4g.40gb 1/1, 7g.80gb 1/1",
    ]
  `);
});

test('a summary of the inventory asks the driver a tenth of what triage asks', async () => {
  const Counted = z.looseObject({ readings: z.object({ tried: z.int(), got: z.int() }) });
  const tried = async (name: string, input: object = {}) => {
    const { readings } = Counted.parse((await ask(name, 'dgx-h100', input)).structured);
    expect(readings.got).toBe(readings.tried);
    return readings.tried;
  };
  const summary = await tried('get_gpu_inventory');
  expect(summary * 8).toBeLessThan(await tried('get_gpu_inventory', { detail: 'full' }));
  expect(summary * 8).toBeLessThan(await tried('triage_gpu_node'));
});

describe('analyze_xid_errors', () => {
  test('pages through events with the cursor', async () => {
    const first = await ask('analyze_xid_errors', 'lost-gpu', { limit: 2 });
    const Page = z.looseObject({
      events: z.array(z.looseObject({ line: z.int() })),
      nextCursor: z.string().optional(),
    });
    const { events, nextCursor } = Page.parse(first.structured);
    expect(events).toHaveLength(2);
    const second = await ask('analyze_xid_errors', 'lost-gpu', { limit: 2, cursor: nextCursor });
    expect(Page.parse(second.structured).events[0]?.line).not.toBe(events[0]?.line);
  });

  test('"none found" says what was searched', async () => {
    const { structured } = await ask('analyze_xid_errors', 'dgx-h100');
    expect(structured['summary']).toMatch(
      /No XID or SXid incident found in \d+ records of .* since/,
    );
  });

  test.each([
    [{ since: 'yesterday' }, 'write a duration'],
    [{ limit: 0 }, 'limit'],
    [{ code: 'seventy-nine' }, 'code'],
  ])('refuses %j', (input, words) => {
    expect(() => tool('analyze_xid_errors').question(input)).toThrow(words);
  });
});

describe('get_incident_report', () => {
  const Report = z.looseObject({
    gpus: z.array(z.looseObject({ index: z.int().optional(), serial: z.string().optional() })),
    findings: z.array(z.looseObject({ id: z.string() })),
    xids: z.array(z.looseObject({ xid: z.int().nullable(), pci: z.string().nullable() })),
    commands: z.array(z.string()),
  });

  test('has the GPU at fault, its serial although it is lost, its XIDs and what to run', async () => {
    const { structured, text } = await ask('get_incident_report', 'lost-gpu');
    const { gpus, xids, commands } = Report.parse(structured);
    expect(gpus).toMatchObject([{ index: 3, error: 'gpu_is_lost', serial: '1654023033874' }]);
    expect(xids.map(({ xid }) => xid)).toEqual([154, 79]);
    expect(commands.join()).toContain('nvidia-bug-report.sh');
    expect(text).toContain('serial                   1654023033874');
  });

  test('one finding of an earlier answer by its id, with the lines of its GPU', async () => {
    const { structured } = await ask('triage_gpu_node', 'ecc-row-remap');
    const [first] = z.looseObject({ findings: Report.shape.findings }).parse(structured).findings;
    const report = await ask('get_incident_report', 'ecc-row-remap', { finding: first?.id });
    const { findings, gpus, xids } = Report.parse(report.structured);
    expect(findings.map(({ id }) => id)).toEqual([first?.id]);
    expect(gpus).toHaveLength(1);
    expect(xids.length).toBeGreaterThan(0);
  });

  test('an id that no finding has is refused with those there are', async () => {
    await expect(ask('get_incident_report', 'lost-gpu', { finding: 'x' })).rejects.toThrow(
      'there is no finding "x"',
    );
  });

  test('without a fault it has every GPU by its identity', async () => {
    const { structured } = await ask('get_incident_report', 'dgx-h100');
    expect(Report.parse(structured).gpus).toHaveLength(8);
    expect(structured['summary']).toContain('No fault to report');
  });
});

describe('describe_gpu_node', () => {
  test('counts the GPUs at every layer that the node can see', async () => {
    const { structured } = await ask('describe_gpu_node', 'lost-gpu');
    expect(structured).toMatchObject({
      verdict: 'critical',
      layers: { pciBus: 8, kernelModule: 8, deviceNodes: 8, nvml: 8 },
      cluster: { unavailable: { not_read: ['node', 'pods', 'events'] } },
    });
  });
});

describe('explain_xid', () => {
  test('explains numbers and lines without any node', () => {
    const { structured, lines } = explainXid
      .question({ query: '79\n149 4\nSXid 12028' })
      .answerHere();
    expect(textOf(lines)).not.toMatch(/[{}]/);
    expect(structured).toMatchObject({
      explanations: [
        { family: 'xid', code: 79, action: 'reboot_node' },
        { family: 'xid', code: 149 },
        { family: 'sxid', code: 12028 },
      ],
    });
  });

  test('what is neither number nor line is refused with what to write', () => {
    expect(() => explainXid.question({ query: 'my GPU is sad' }).answerHere()).toThrow(
      'no XID, SXid',
    );
  });
});
