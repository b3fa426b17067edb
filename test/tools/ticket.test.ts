import { expect, test } from 'vitest';
import { getIncidentReport } from '../../src/tools/catalog/get-incident-report.ts';
import { ticketOf } from '../../src/tools/support/ticket.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
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
  expect(value('impactCategory')).toBe('Resource.Hpc.Unhealthy.HpcMissingGpu');
  expect(value('additionalProperties.Location')).toBe('0000:61:00');
  expect(value('additionalProperties.PhysicalHostName')).toBeUndefined();
});

test('the instance by the name that its cloud has for it', async () => {
  const gcp = await ticketFor('ecc-row-remap', 'gcp', 'gce://my-project/us-east5-a/gpu-1');
  expect(gcp.value('INSTANCE_NAME')).toBe('gpu-1');
  expect(gcp.value('--zone')).toBe('us-east5-a');
  expect(gcp.value('--fault-reasons behavior')).toBe('UNRECOVERABLE_GPU_ERROR');
  expect(gcp.value('--disruption-schedule')).toBeUndefined();
  const aws = await ticketFor('ecc-row-remap', 'aws', 'aws:///us-east-1a/i-0abc123');
  expect(aws.value('Instance ID')).toBe('i-0abc123');
  const zoneless = await ticketFor('ecc-row-remap', 'aws', 'aws:////i-0abc123');
  expect(zoneless.value('Instance ID')).toBe('i-0abc123');
  expect(zoneless.value('Availability zone')).toBeUndefined();
  // Of another cloud, or of none, it is no instance.
  const wrong = await ticketFor('ecc-row-remap', 'aws', 'gce://my-project/us-east5-a/gpu-1');
  expect(wrong.value('Instance ID')).toBeUndefined();
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
