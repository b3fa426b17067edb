import { createRedaction } from '../../src/bridge/redacted-session.ts';
import type { ClusterQuestion, ClusterView } from '../../src/contract/cluster-view.ts';
import { redactedInstruments } from '../../src/redaction/node.ts';
import type { Session } from '../../src/session/port.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { agentSession } from '../fakes/agent-session.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { MARKER, secretive, secretiveView } from './secretive.ts';

export const KEY = '00112233445566778899aabbccddeeff';
export type Question = Omit<ClusterQuestion, 'node'>;

interface Node {
  readonly instruments: Instruments;
  readonly view: (askedForPod: boolean) => ClusterView;
}
const secretiveNode = (): Node => ({
  instruments: instrumentsFor(secretive()),
  view: secretiveView,
});

/** The node behind the real agent, with the cluster's view beside it. */
export function nodeSession(
  redacted: boolean,
  asked: Question[] = [],
  { instruments: plain, view }: Node = secretiveNode(),
): Session {
  const session = agentSession('gpu-3', redacted ? redactedInstruments(plain, KEY) : plain);
  const viewing: Session = {
    target: session.target,
    call: request => session.call(request),
    start: (signal, onProgress) => session.start(signal, onProgress),
    close: () => session.close(),
    clusterView: async question => {
      asked.push(question);
      return view(question.pod !== undefined);
    },
  };
  const pods = [{ namespace: 'zz-secret-ns', name: 'zz-secret-pod' }];
  return redacted ? createRedaction(KEY).session(viewing, async () => pods) : viewing;
}

export const markersIn = (text: string): string[] => [...new Set(text.match(MARKER))].toSorted();
