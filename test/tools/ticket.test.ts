import { expect, test } from 'vitest';
import { machineFrom } from '../../src/simulation/machine.ts';
import { getIncidentReport } from '../../src/tools/catalog/get-incident-report.ts';
import { AZURE_CATEGORIES } from '../../src/tools/support/azure-categories.ts';
import { ticketLines, ticketOf } from '../../src/tools/support/ticket.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';
import { Facts, holdsWhatWasRead, ticketFor } from './tickets.ts';

// test/tools/every-ticket.slow.ts takes the others.
test.each(['dgx-h100', 'ecc-row-remap', 'job-lost-gpu', 'hung-driver'])(
  'a ticket of %s holds what was read and nothing else',
  holdsWhatWasRead,
);

test('the form of Azure for a GPU that is lost', async () => {
  const id = '/subscriptions/s-1/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v';
  const { value } = await ticketFor('lost-gpu', 'azure', `azure://${id}`);
  expect(value('impactedResourceId')).toBe(id);
  // With the XID: where the log does not tell that it fell off the bus it is missing, and no more is known.
  expect(value('impactCategory')).toBe('Resource.Hpc.Unhealthy.XID79FallenOffBus');
  expect(value('additionalProperties.Location')).toBe('0000:61:00');
  expect(value('additionalProperties.PhysicalHostName')).toBeUndefined();
});

test.each([
  ['ecc-row-remap', 'XID48DoubleBitECC'],
  ['row-remap-failed', 'HpcRowRemapFailure'],
  ['nvlink-down', 'NvLink'],
  ['hung-driver', 'UnhealthyGPUNvidiasmi'],
  ['gsp-timeout', 'GpuXIDError'],
  ['gpu-missing', 'HpcMissingGpu'],
  ['job-out-of-bounds', undefined],
  ['healthy-t4', undefined],
])('what Azure calls the fault of %s', async (machine, category) => {
  const { ticket, value } = await ticketFor(machine, 'azure');
  const whole = category === undefined ? undefined : `Resource.Hpc.Unhealthy.${category}`;
  expect(value('impactCategory')).toBe(whole);
  if (whole !== undefined) expect(AZURE_CATEGORIES).toContain(whole);
  else expect(ticketLines(ticket).join()).toContain('one of Resource.Hpc.');
});

test('kernel lines stand as they came, each with its time, the first and the last of many', async () => {
  const { structured } = await answered(getIncidentReport, {}, instrumentsOf('ecc-row-remap'));
  const facts = Facts.parse({ ...structured, cluster: {} });
  const linesOf = (more: object) =>
    ticketOf('nvidia', { ...facts, ...more }).fields.filter(({ name }) =>
      name.startsWith('Kernel l'),
    );
  const [first, ...others] = linesOf({});
  expect(first?.value).toMatch(/^2026-\S+Z {2}NVRM: Xid .*: 48, /);
  expect(others.at(-1)?.value).toContain('154,');
  const xids = Array.from({ length: 60 }, (_, at) => ({ time: null, text: `line ${60 - at}` }));
  expect(linesOf({ xids, xidsLeftOut: 7 }).map(({ value }) => value)).toEqual([
    ...['line 1', 'line 2', 'line 3', 'line 4', 'line 59', 'line 60', '61'],
  ]);
});

/** Of each alone the reader of the log keeps no more than some. */
const CODES = [13, 31, 43, 45, 63, 68, 69, 92, 94];

test('a storm hides neither its first lines, which tell the cause, nor its last ones', async () => {
  const log = Array.from({ length: 90 }, (_, at) => {
    const [xid, words] = at === 0 ? [48, 'the cause'] : [CODES[at % 9], `line ${at}`];
    return `NVRM: Xid (PCI:0000:00:04): ${xid}, pid=77, name=train, ${words}`;
  });
  const lines = log.map((text, at) => ({ secondsAgo: 1_200 - at, text }));
  const machine = machineFrom('storm', { like: 'healthy-t4', kernelLog: { lines } });
  const { structured, text: said } = await answered(getIncidentReport, {}, instrumentsFor(machine));
  const report = Facts.parse({ ...structured, cluster: {} });
  expect(report).toMatchObject({ xidsLeftOut: 30 });
  expect(report.xids.map(({ text }) => text.split(', ').at(-1))).toEqual([
    ...Array.from({ length: 54 }, (_, at) => `line ${89 - at}`),
    ...['line 5', 'line 4', 'line 3', 'line 2', 'line 1', 'the cause'],
  ]);
  const { fields } = ticketOf('nvidia', report);
  const told = fields.filter(({ name }) => name.startsWith('Kernel l'));
  expect(told.map(({ value }) => value?.split(', ').at(-1))).toEqual([
    ...['the cause', 'line 1', 'line 2', 'line 3', 'line 88', 'line 89', '84'],
  ]);
  expect(said).toMatch(/line 36\n {2}30 more between, then the first 6:\n.*line 5\n/);
});

test('how often is told of what came again, and all that it was observed by', async () => {
  const { structured } = await answered(getIncidentReport, {}, instrumentsOf('ecc-row-remap'));
  const facts = Facts.parse({ ...structured, cluster: {} });
  const [incident] = facts.incidents;
  if (!incident) throw new Error('no incident');
  const value = (more: object, name: string) =>
    ticketOf('nvidia', { ...facts, ...more }).fields.find(field => field.name === name)?.value;
  expect(value({}, 'How often')).toBeUndefined();
  const later = { ...incident, firstTime: '2026-03-01T23:00:00Z' };
  expect(value({ incidents: [incident, later] }, 'How often')).toBe(
    `XID 48 2 times from ${incident.firstTime} to 2026-03-01T23:00:00Z`,
  );
  expect(value({}, 'How it was observed')).toBe('NVML; /dev/kmsg');
  expect(value({}, 'GPU 1 recovery action the driver asks for')).toBe('1 (GPU Reset Required)');
});

test('the instance by the name that its cloud has for it', async () => {
  const gcp = await ticketFor('ecc-row-remap', 'gcp', 'gce://my-project/us-east5-a/gpu-1');
  expect(gcp.value('INSTANCE_NAME')).toBe('gpu-1');
  expect(gcp.value('--zone')).toBe('us-east5-a');
  expect(gcp.value('--fault-reasons behavior')).toBe('UNRECOVERABLE_GPU_ERROR');
  expect(gcp.value('--disruption-schedule')).toBeUndefined();
  // Its incident begins with an error of PCIe, which has no number, and holds XID 79.
  const lost = await ticketFor('lost-gpu', 'gcp');
  expect(lost.value('--fault-reasons behavior')).toBe('UNRECOVERABLE_GPU_ERROR');
  const aws = await ticketFor('ecc-row-remap', 'aws', 'aws:///us-east-1a/i-0abc123');
  expect(aws.value('Instance ID')).toBe('i-0abc123');
  const zoneless = await ticketFor('ecc-row-remap', 'aws', 'aws:////i-0abc123');
  expect(zoneless.value('Instance ID')).toBe('i-0abc123');
  expect(zoneless.value('Availability zone')).toBeUndefined();
  // Of another cloud, or of none, it is no instance.
  const wrong = await ticketFor('ecc-row-remap', 'aws', 'gce://my-project/us-east5-a/gpu-1');
  expect(wrong.value('Instance ID')).toBeUndefined();
});

test('a node of GKE is reported through GKE, by the reasons that it takes', async () => {
  const labels = { 'cloud.google.com/gke-nodepool': 'a3' };
  const id = 'gce://my-project/us-east5-a/gpu-1';
  const xid = await ticketFor('ecc-row-remap', 'gcp', id, labels);
  expect(xid.ticket.to).toMatch(/^kubectl label nodes NODE_NAME cloud.google.com\/fault-behavior=/);
  expect(xid.value('FAULT_REASON')).toBe('XID');
  expect(xid.value('Instance')).toBe('gpu-1');
  const slow = await ticketFor('overheating', 'gcp', id, labels);
  expect(ticketLines(slow.ticket).join('\n')).toMatch(
    /FAULT_REASON +________ \(one of XID, PERFORMANCE, SDC, unspecified\)/,
  );
});

test('Azure takes the report by the version of its page, with what it asks of remapped rows', async () => {
  const { ticket, value } = await ticketFor('row-remap-failed', 'azure');
  expect(ticket.to).toMatch(/api-version=2023-02-01-preview$/);
  expect(value('additionalProperties.UCE')).toMatch(/^[1-9]\d*$/);
  expect((await ticketFor('lost-gpu', 'azure')).value('additionalProperties.UCE')).toBeUndefined();
});

test('where a board says its place in the rack, the ticket does', async () => {
  const { structured } = await answered(getIncidentReport, {}, instrumentsOf('ecc-row-remap'));
  const facts = Facts.parse({ ...structured, cluster: {} });
  const rack = (more: object) =>
    ticketOf('nvidia', {
      ...facts,
      gpus: facts.gpus.map(row => ({ ...row, ...more })),
    }).fields.find(({ name }) => name.endsWith('place in the rack'))?.value;
  const platform = { chassisSerial: '1820123', slot: 5, tray: 2, host: 1, moduleId: 3 };
  expect(rack({ platform })).toBe('chassisSerial 1820123, slot 5, tray 2, host 1, moduleId 3');
  expect(rack({ platform: undefined })).toBeUndefined();
});

test('corrected errors stand in it, and of a node without a fault no board does', async () => {
  const { ticket } = await ticketFor('ecc-row-remap', 'nvidia');
  const named = ticket.fields.filter(({ name }) => name.includes('corrected ECC errors'));
  expect(named.length).toBeGreaterThanOrEqual(4);
  expect(named.every(({ value }) => value !== undefined)).toBe(true);
  const well = await ticketFor('healthy-t4', 'nvidia');
  expect(well.ticket.fields.filter(({ name }) => name.startsWith('GPU 0'))).toEqual([]);
  expect(well.value('What was observed')).toBeUndefined();
});

test('a ticket begins with what was observed, whatever its GPU had hours before', async () => {
  const { structured } = await answered(getIncidentReport, {}, instrumentsOf('lost-gpu'));
  const facts = Facts.parse({ ...structured, cluster: {} });
  const [first] = facts.incidents;
  const time = facts.findings[0]?.began?.time;
  if (!first || time === undefined) throw new Error('nothing began');
  const older = { ...first, firstTime: '2020-01-01T00:00:00Z' };
  const ticket = ticketOf('nvidia', { ...facts, incidents: [older, ...facts.incidents] });
  expect(ticket.fields).toContainEqual(expect.objectContaining({ value: time }));
  expect(JSON.stringify(ticket)).not.toContain(older.firstTime);
});
