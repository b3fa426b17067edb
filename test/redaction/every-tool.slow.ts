import { expect, test } from 'vitest';
import type { Session } from '../../src/session/port.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { clientOf } from '../fakes/agent-session.ts';
import { secretive, secretiveEverywhere, secretiveView } from './secretive.ts';
import { markersIn, nodeSession } from './secretive-session.ts';
import { PORTS, textsOf } from './texts.ts';

const INPUTS: Readonly<Record<string, object>> = {
  describe_gpu_node: { detail: 'full' },
  get_gpu_inventory: { detail: 'full' },
  analyze_xid_errors: { limit: 500 },
  explain_failure: { pod: 'zz-secret-ns/zz-secret-pod' },
};

const ASKED = TOOLS.filter(tool => !tool.isLocal).map(({ name }) => name);

/** Every tool's answer, both its forms, as one text. */
async function answers(session: Session): Promise<Map<string, string>> {
  const client = await clientOf(session);
  const told = new Map<string, string>();
  for (const name of ASKED) {
    const result = await client.callTool({ name, arguments: { ...INPUTS[name] } });
    expect(result.isError ?? false, JSON.stringify(result)).toBe(false);
    told.set(name, JSON.stringify(result));
  }
  await session.close();
  return told;
}

/** Named by the ports and by no tool now; of evicted pods the status' message is. */
const IN_NO_ANSWER = ['zz-secret-claim', 'zz-secret-dmn', 'zz-secret-status'];

test('no tool shows a name, and without --redact-names they show every one', async () => {
  const plain = await answers(nodeSession(false));
  const redacted = await answers(nodeSession(true));
  const leaks = [...redacted].flatMap(([tool, text]) =>
    markersIn(text).map(name => `${tool}: ${name}`),
  );
  expect(leaks).toEqual([]);
  const shown = markersIn([...plain.values()].join('\n'));
  const all = markersIn(JSON.stringify([secretive(), secretiveView(true)]));
  expect(all.filter(name => !shown.includes(name))).toEqual(IN_NO_ANSWER);
});

test('wherever a port may give a name, no tool shows it', async () => {
  const node = secretiveEverywhere();
  const redacted = await answers(nodeSession(true, [], node));
  const leaks = [...redacted].flatMap(([tool, text]) =>
    markersIn(text).map(name => `${tool}: ${name}`),
  );
  expect(leaks).toEqual([]);
  const plain = await answers(nodeSession(false, [], node));
  expect(markersIn([...plain.values()].join('\n')).length).toBeGreaterThan(40);
  const marks = Object.values(PORTS).flatMap(schema => textsOf(schema, '').map(({ mark }) => mark));
  expect([...node.seen, 'nobody'].toSorted()).toEqual([...new Set(marks)].toSorted());
});
