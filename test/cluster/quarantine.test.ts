import { describe, expect, test } from 'vitest';
import { readQuarantine } from '../../src/cluster/quarantine.ts';
import { readClusterNode } from '../../src/cluster/read-view.ts';
import { present } from '../../src/contract/reading.ts';

const read = (quarantineHealthEvent: string) =>
  readQuarantine({ annotations: { quarantineHealthEvent } });

/** As Go writes a HealthEvent of NVSentinel's data-models/pkg/protos. */
const XID = {
  ...{ version: 1, agent: 'syslog-health-monitor', componentClass: 'GPU', nodeName: 'gpu-3' },
  ...{ checkName: 'SysLogsXIDError', isFatal: true, message: 'fell off', recommendedAction: 24 },
  errorCode: ['79'],
  entitiesImpacted: [
    { entityType: 'GPU', entityValue: '3' },
    { entityType: 'PCI', entityValue: '0000:3b:00' },
  ],
  generatedTimestamp: { seconds: 1772365210, nanos: 5 },
};
const TOLD = {
  ...{ check: 'SysLogsXIDError', codes: ['79'], entities: ['GPU:3', 'PCI:0000:3b:00'] },
  ...{ action: 'RESTART_BM', message: 'fell off', since: '2026-03-01T11:40:10Z' },
};

describe('what NVSentinel keeps of a quarantine', () => {
  test('is each fault with its check, codes, GPU and the action that it recommends', () => {
    expect(read(JSON.stringify([XID, { ...XID, isHealthy: true }]))).toEqual(
      present({ events: [TOLD], leftOut: 0 }),
    );
    const node = { metadata: { annotations: { quarantineHealthEvent: JSON.stringify([XID]) } } };
    expect(readClusterNode(node).quarantine).toEqual(present({ events: [TOLD], leftOut: 0 }));
  });

  test('of an old version is one event, and names of fields come in any case', () => {
    const entities = [{ EntityType: 'GPU', EntityValue: 'gpu0' }];
    const old = { NodeName: 'node1', CheckName: 'GpuNvLinkWatch', EntitiesImpacted: entities };
    const told = { check: 'GpuNvLinkWatch', codes: [], entities: ['GPU:gpu0'], message: '' };
    expect(read(JSON.stringify(old))).toEqual(present({ events: [told], leftOut: 0 }));
  });

  test.each([
    [0, undefined],
    [99, undefined],
    [27, undefined],
    [50, 'action 50'],
    [2, 'COMPONENT_RESET'],
    ['NONE', undefined],
    ['UNKNOWN', undefined],
    ['CUSTOM', undefined],
    ['REPLACE_VM', 'REPLACE_VM'],
    [{ a: 1 }, undefined],
  ])('the action %j', (recommendedAction, action) => {
    const found = read(JSON.stringify([{ ...XID, recommendedAction }]));
    expect(found?.ok && found.value.events[0]?.action).toEqual(action);
  });

  test.each([27, 'CUSTOM'])('the action %j is what the field beside it says', recommendedAction => {
    const event = { ...XID, recommendedAction, customRecommendedAction: 'swap-cable' };
    const found = read(JSON.stringify([event]));
    expect(found?.ok && found.value.events[0]?.action).toBe('swap-cable');
  });

  const HALF = [
    ...['{}', '[{}]', '["x",7]', '[[{"checkName":"a"}]]', '[{"checkName":"a"},7]'],
    '[{"checkName":"a"},{"isFatal":true}]',
  ];
  test.each(['x', '"x"', '7', 'null', '[{', '[['.repeat(10_000), ...HALF])(
    'that is no such JSON is not read, and never nothing: %.20s',
    text => expect(read(text)).toMatchObject({ ok: false, reason: 'unreadable' }),
  );

  test('where there is none, or all is over, is none', () => {
    expect(readQuarantine({ annotations: {} })).toBeUndefined();
    expect(readQuarantine({})).toBeUndefined();
    expect(read('')).toBeUndefined();
    expect(read('[]')).toEqual(present({ events: [], leftOut: 0 }));
  });

  test('that somebody wrote to deceive is cut, plain and bounded', () => {
    const evil = `\u001b[2J\u202e${'x'.repeat(900)}`;
    const event = {
      ...{ checkName: evil, message: evil, errorCode: Array(40).fill(evil) },
      ...{ entitiesImpacted: Array(40).fill({ entityType: evil, entityValue: 7 }) },
      ...{ recommendedAction: evil, generatedTimestamp: { seconds: 1e300 } },
    };
    const found = read(JSON.stringify(Array(40).fill(event)));
    const text = JSON.stringify(found);
    expect(found?.ok && found.value.events).toHaveLength(16);
    expect(found?.ok && found.value.leftOut).toBe(24);
    expect(text.length).toBeLessThan(60_000);
    expect(text).not.toMatch(/\\u001b|\u202e/);
    expect(text).not.toContain('since');
  });
});
