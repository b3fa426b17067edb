import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { DeviceHolder } from '../../host/port.ts';
import { type Clue, nodeClue } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { leakedContext } from './leaked-context.ts';

/**
 * Processes that keep GPUs and cannot be ended: blocked in the kernel now and, by its log, for minutes;
 * or ended but for a thread. Being blocked once is no sign: reading a file blocks.
 */
export const stuckHolder = rule(
  'stuck-holder',
  {
    findings: [leakedContext],
    host: { decides: ['deviceHolders', 'bootId'], tells: ['deviceHolders.waitsIn'] },
    log: true,
  },
  facts => {
    // Then its processes are blocked too, and its finding names them.
    if (facts.driver.unresponsive) return [];
    // A GPU whose memory nobody uses has a finding of its own, which names who holds it.
    const named = new Set(
      leakedContext(facts).flatMap(({ evidence }) => evidence.map(({ source }) => source)),
    );
    return (known(facts.host.deviceHolders) ?? [])
      .filter(({ devices }) => devices.some(name => /^nvidia\d+$/.test(name)))
      .filter(({ pid }) => !named.has(`/proc/${pid}/fd`))
      .flatMap(holder => blocked(facts, holder) ?? halfEnded(holder) ?? []);
  },
);

const holderName = ({ pid, name }: DeviceHolder) => `process ${pid} (${plainText(name, 16)})`;

const devicesOf = ({ devices }: DeviceHolder) =>
  devices
    .filter(name => /^nvidia\d+$/.test(name))
    .slice(0, 8)
    .join(', ');

const place = ({ waitsIn }: DeviceHolder) => plainText(known(waitsIn) ?? 'the kernel', 64);

const holderEvidence = (holder: DeviceHolder) => ({
  what: `${holderName(holder)}, state ${plainText(holder.state, 2)}, in ${place(holder)}, holds ${devicesOf(holder)}`,
  source: `/proc/${holder.pid}`,
  command: `cat /proc/${holder.pid}/stack /proc/${holder.pid}/task/*/wchan; ls -l /proc/${holder.pid}/fd | grep nvidia`,
});

function blocked(facts: NodeFacts, holder: DeviceHolder): Clue | undefined {
  if (holder.state !== 'D') return undefined;
  const boot = known(facts.host.bootId);
  const hungTask = facts.log?.events.find(
    event =>
      event.kind === 'hung_task' &&
      event.pid === holder.pid &&
      (event.boot === null || event.boot === boot),
  );
  if (!hungTask) return undefined;
  return nodeClue('gpu-holder-blocked', {
    of: holder.pid,
    severity: 'warning',
    component: 'host',
    title: `${holderName(holder)} holds ${devicesOf(holder)} and is blocked in ${place(holder)}`,
    action: 'drain',
    advice:
      'It cannot be killed before the kernel lets go: look at what it waits for (network file system, disk, driver); if that does not come back, reboot the node.',
    blame: 'host',
    confidence: 'medium',
    evidence: [
      holderEvidence(holder),
      {
        what: plainText(hungTask.text, 200),
        source: 'kernel log',
        ...(hungTask.time === null ? {} : { time: hungTask.time }),
        command: `dmesg -T | grep 'task .*:${holder.pid} blocked'`,
      },
    ],
  });
}

function halfEnded(holder: DeviceHolder): Clue | undefined {
  if (holder.state !== 'Z') return undefined;
  return nodeClue('gpu-holder-ended', {
    of: holder.pid,
    severity: 'info',
    component: 'host',
    title: `${holderName(holder)} has ended but for a thread, which holds ${devicesOf(holder)}`,
    action: 'watch',
    advice:
      'Ask again in a minute: a large program takes a while to end. What stays is stuck in the kernel, and keeps the GPU from being reset.',
    blame: 'host',
    confidence: 'low',
    evidence: [holderEvidence(holder)],
  });
}
