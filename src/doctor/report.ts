import {
  CHECK_STATES,
  type Check,
  CheckId,
  type CheckState,
  type DoctorReport,
} from '../contract/doctor.ts';
import { isoTime } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
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
  const checks = checksOf(facts)
    .map(inPlainText)
    .toSorted((a, b) => CheckId.options.indexOf(a.id) - CheckId.options.indexOf(b.id));
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
    takenAt: isoTime(facts.nowMs),
    versions: { plugin: VERSION },
    ...{ server, context, namespace },
    node: facts.plan.node ?? null,
    ...{ verdict, summary: summaryOf(verdict, counts, facts), counts, checks },
  };
}

/** These end a session before anything is created. */
const FIRST: readonly CheckId[] = ['kubeconfig', 'credentials', 'api-server', 'node'];

/** What a session would end with; 0 where nothing is known that would end it. */
export function exitOf({ checks }: DoctorReport): 0 | 3 | 4 {
  const failed = checks.filter(({ state }) => state === 'failed');
  const ends = failed.find(({ id }) => FIRST.includes(id)) ?? failed[0];
  return ends?.exitCode ?? 0;
}

/** Whatever a cluster put into its names, a line is a line. */
const inPlainText = (check: Check): Check => ({
  ...check,
  message: plainText(check.message, MESSAGE_MAX),
  ...(check.hint !== undefined && { hint: plainText(check.hint, MESSAGE_MAX) }),
});

const MESSAGE_MAX = 600;

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
