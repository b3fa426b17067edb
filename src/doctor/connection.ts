import { ApiError } from '../cluster/port.ts';
import type { Check } from '../contract/doctor.ts';
import { CLOCK_SKEW_MS_MAX } from '../contract/limits.ts';
import { durationText } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Connection, Facts } from './facts.ts';
import {
  answered,
  broken,
  failure,
  good,
  NotAsked,
  TooLate,
  tookText,
  unanswered,
  unproven,
  warned,
  wordsOf,
} from './found.ts';

/** Whether Kubernetes itself has answered anything at all, if only by a refusal. */
export const isReached = ({ version, user, podRun }: Facts): boolean =>
  [version, user, podRun].some(found => found.ok || found.error instanceof ApiError);

export function kubeconfigCheck({ connection: found }: Facts): Check {
  if (!found.ok) return failure('kubeconfig', found.error);
  const { files, context, namespace, user } = found.value;
  if (files.length === 0) {
    const from = context === null && user === 'service account' ? 'no kubeconfig: ' : '';
    return good('kubeconfig', `${from}user "${user ?? ''}", namespace "${namespace}"`);
  }
  const names = [
    context === null ? 'no context' : `context "${context}"`,
    `user "${user ?? ''}"`,
    `namespace "${namespace}"`,
  ];
  return good('kubeconfig', `${files.join(', ')}: ${names.join(', ')}`);
}

export function credentialsCheck(facts: Facts): Check {
  const { login, user, connection } = facts;
  if (!login.ok) {
    if (login.error instanceof NotAsked) return unanswered('credentials', login);
    if (!(login.error instanceof TooLate)) return failure('credentials', login.error);
    const { credentials = 'the login' } = answered(connection) ?? {};
    return broken('credentials', 3, `${credentials} gave ${wordsOf(login.error)}`, {
      hint: 'log in once with kubectl, where it can ask you:',
      commands: ['kubectl auth whoami'],
    });
  }
  const from = sourceText(answered(connection), login.tookMs);
  if (!user.ok) {
    const { error } = user;
    if (error instanceof ApiError && error.code === 401) return failure('credentials', error);
    if (!isReached(facts)) {
      return unproven('credentials', `${from}, not tried: the API server was not reached`);
    }
    return unproven('credentials', `${from}; whom it makes you is not known: ${wordsOf(error)}`);
  }
  const name = plainText(user.value ?? '', 120);
  if (name === '') return unproven('credentials', `${from}; the API server names no user`);
  if (name === 'system:anonymous') {
    return broken('credentials', 3, `the API server knows you as ${name}: ${from}`, {
      hint: 'give the kubeconfig’s user a token, a certificate or a credential plugin',
    });
  }
  return good('credentials', `"${name}", by ${from}`);
}

function sourceText(connection: Connection | undefined, tookMs: number): string {
  const { credentials = 'the kubeconfig', as } = connection ?? {};
  const took = credentials.startsWith('credential plugin') ? ` in ${tookText(tookMs)}` : '';
  return `${credentials}${took}${as === undefined ? '' : `, impersonating "${as}"`}`;
}

/** Servers from here on speak attach v5: KEP-4006. */
const V5_FROM = 30;

/** 37 of `v1.37.2`; undefined where it is not known. */
export function minorOf({ version }: Pick<Facts, 'version'>): number | undefined {
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(answered(version) ?? '') ?? [];
  if (major === undefined) return undefined;
  return Number(major) > 1 ? Number.POSITIVE_INFINITY : Number(minor);
}

export function apiServerCheck(facts: Facts): Check {
  const { version, connection } = facts;
  if (!version.ok && !isReached(facts)) {
    const { error } = version;
    if (error instanceof NotAsked) return unanswered('api-server', { error });
    const { server = '' } = answered(connection) ?? {};
    if (!(error instanceof TooLate)) return failure('api-server', error);
    return broken('api-server', 3, `${server} gave ${wordsOf(error)}`, {
      hint: 'is the VPN up, is it the right --context?',
      commands: ['kubectl cluster-info'],
    });
  }
  const { server = '', proxy, insecure } = answered(connection) ?? {};
  const where = `${server}${proxy === undefined ? '' : ` through ${hostOf(proxy)}`}`;
  if (!version.ok) {
    return unproven(
      'api-server',
      `${where} answers, but not with its version: ${wordsOf(version.error)}`,
    );
  }
  const what = `${where} answers in ${tookText(version.tookMs)}: Kubernetes ${version.value}`;
  if (insecure) {
    return warned('api-server', `${what}; its certificate is not checked`, {
      hint: 'anybody in between can read and change all of it: give the kubeconfig a certificate-authority',
    });
  }
  return good('api-server', what);
}

/** A proxy's address may hold a password. */
const hostOf = (proxy: string): string => URL.parse(proxy)?.host ?? 'a proxy';

export function attachCheck(facts: Facts): Check {
  const { plan, webSocket, laptop } = facts;
  const hasKubectl = laptop.kubectl.ok;
  const instead = (why: string): Check =>
    hasKubectl
      ? warned('attach', `${why}: kubectl attaches instead, with a process more`)
      : broken('attach', 3, `${why}, and there is no kubectl on PATH to attach instead`, {
          hint: 'install kubectl, or name it in $KUBECTL_PATH',
        });
  if (plan.transport === 'kubectl') {
    if (!hasKubectl) return instead('--transport kubectl is chosen');
    return unproven('attach', 'through kubectl: only a pod shows whether that passes');
  }
  const minor = minorOf(facts);
  if (minor !== undefined && minor < V5_FROM) {
    return instead(`the API server is older than 1.${V5_FROM} and does not speak attach v5`);
  }
  if (!webSocket.ok) {
    const isDenied = facts.rights.some(
      ({ right: { verb, resource }, may }) =>
        verb === 'watch' && resource === 'pods' && may.ok && !may.value.allowed,
    );
    if (isDenied)
      return unproven('attach', 'WebSockets are tried by a watch of pods, which you may not');
    if (webSocket.error instanceof NotAsked || webSocket.error instanceof TooLate) {
      return unanswered('attach', webSocket);
    }
    return instead(`no WebSocket passes (${wordsOf(webSocket.error)})`);
  }
  if (minor === undefined) {
    return unproven(
      'attach',
      'WebSockets pass; whether the API server speaks v5 its version would say',
    );
  }
  return good('attach', 'WebSockets pass, and servers of this version speak v5');
}

export function clockCheck({ aheadMs }: Facts): Check {
  if (aheadMs === undefined) {
    return unproven('clock', 'no answer of the API server had a date to compare with');
  }
  const apart = Math.abs(aheadMs);
  if (apart <= CLOCK_SKEW_MS_MAX) {
    return good('clock', 'this machine and the API server agree to a few seconds');
  }
  const which = aheadMs > 0 ? 'behind' : 'ahead of';
  return warned('clock', `this machine is ${durationText(apart)} ${which} the API server`, {
    hint: 'set the clock (timedatectl, sntp): tokens and certificates are refused too early or too late',
  });
}
