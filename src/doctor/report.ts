import {
  CHECK_STATES,
  type Check,
  CheckId,
  type CheckState,
  type DoctorReport,
} from '../contract/doctor.ts';
import { isoTime } from '../contract/time.ts';
import { VERSION } from '../contract/version.ts';
import {
  apiServerCheck,
  attachCheck,
  clockCheck,
  credentialsCheck,
  isReached,
  kubeconfigCheck,
} from './connection.ts';
import type { Facts } from './facts.ts';
import { answered, unproven } from './found.ts';
import { laptopChecks } from './laptop.ts';
import { namespaceChecks } from './namespace.ts';
import { gpuNodesCheck, nodeChecks } from './node.ts';
import { rightsChecks } from './rights.ts';

/** The judgement of what was found: every check, and the worst of them. Pure. */
export function reportOf(facts: Facts): DoctorReport {
  const checks = checksOf(facts).toSorted(
    (a, b) => CheckId.options.indexOf(a.id) - CheckId.options.indexOf(b.id),
  );
  const count = (state: CheckState) => checks.filter(check => check.state === state).length;
  const counts = {
    failed: count('failed'),
    unknown: count('unknown'),
    warning: count('warning'),
    ok: count('ok'),
  };
  const verdict = CHECK_STATES.find(state => counts[state] > 0) ?? 'unknown';
  const { server = null, context = null, namespace = null } = answered(facts.connection) ?? {};
  return {
    apiVersion: 'gpu-mcp/v1',
    kind: 'DoctorReport',
    takenAt: isoTime(facts.laptop.nowMs),
    versions: { plugin: VERSION },
    ...{ server, context, namespace },
    node: facts.plan.node ?? null,
    ...{ verdict, summary: summaryOf(verdict, counts, facts), counts, checks },
  };
}

/** What a session would end with; 0 where nothing is known that would end it. */
export const exitOf = ({ checks }: DoctorReport): 0 | 3 | 4 =>
  checks.find(({ state }) => state === 'failed')?.exitCode ?? 0;

function checksOf(facts: Facts): readonly Check[] {
  const { node, gpuNodes } = facts;
  const own = [
    kubeconfigCheck(facts),
    credentialsCheck(facts),
    apiServerCheck(facts),
    ...laptopChecks(facts),
  ];
  const ofCluster = [
    ...rightsChecks(facts),
    ...namespaceChecks(facts),
    ...(gpuNodes ? [gpuNodesCheck(gpuNodes)] : []),
    ...(node ? nodeChecks(facts, node) : []),
    attachCheck(facts),
    clockCheck(facts),
  ];
  if (isReached(facts)) return [...own, ...ofCluster];
  const ids = new Set(ofCluster.map(({ id }) => id));
  return [...own, ...[...ids].map(id => unproven(id, 'the API server was not reached'))];
}

function summaryOf(verdict: CheckState, counts: DoctorReport['counts'], { plan }: Facts): string {
  const where = plan.node === undefined ? 'on a node of this cluster' : `on ${plan.node}`;
  switch (verdict) {
    case 'failed':
      return `A session ${where} would not start.`;
    case 'unknown':
      return `Nothing was found that stops a session ${where}, but ${counts.unknown} of the checks could not be made.`;
    case 'warning':
      return `A session ${where} would start, and something is not as it should be.`;
    case 'ok':
      return plan.node === undefined
        ? 'This cluster lets sessions start. Name a node, and it is looked at too.'
        : `A session ${where} would start: everything was checked and is well.`;
  }
}
