import { ours, type Sentence, told } from '../contract/errors.ts';

/** Who of those that admit objects to the cluster refused one. */
export type AdmissionRule =
  | 'pod-security'
  | 'webhook'
  | 'policy'
  | 'quota'
  | 'limit-range'
  | 'security-context-constraint';

interface Words {
  readonly rule: AdmissionRule;
  readonly pattern: RegExp;
  readonly sentence: (found: readonly string[]) => Sentence;
  readonly hint: string;
}

const ofPodSecurity = ([, level, why]: readonly string[]): Sentence =>
  told`the namespace's Pod Security standard ${ours(level)} refuses the pod: ${why}`;

/** The first that fits has spoken. */
const RULES: readonly Words[] = [
  {
    rule: 'pod-security',
    pattern:
      /violates PodSecurity "?((?:privileged|baseline|restricted)(?::(?:latest|v1\.\d+))?)"?: (.*must not include "SYSLOG".*)$/,
    sentence: ofPodSecurity,
    hint: '--no-syslog leaves CAP_SYSLOG out, and with it the kernel log',
  },
  {
    rule: 'pod-security',
    pattern:
      /violates PodSecurity "?((?:privileged|baseline|restricted)(?::(?:latest|v1\.\d+))?)"?: (.+)$/,
    sentence: ofPodSecurity,
    hint: 'use -n with a namespace that is labelled pod-security.kubernetes.io/enforce=privileged; kubectl gpu-mcp manifest namespace prints one; --profile restricted --no-syslog reads less and is let in',
  },
  {
    rule: 'webhook',
    pattern: /admission webhook "(.+?)" denied the request:?\s*(.*)$/,
    sentence: ([, name, why]) => told`admission webhook "${name}" refuses the pod: ${why}`,
    hint: 'kubectl gpu-mcp manifest pod prints the pod, for the admin of that policy to exempt or sign',
  },
  {
    rule: 'policy',
    pattern: /ValidatingAdmissionPolicy '(gpu-mcp-[\w.-]+)'.* denied request: (.*)$/,
    sentence: ([, name, why]) => told`admission policy "${name}" refuses the pod: ${why}`,
    hint: 'it allows what `manifest policy` of one version and image was printed for; kubectl gpu-mcp manifest policy prints that of this one',
  },
  {
    rule: 'policy',
    pattern: /ValidatingAdmissionPolicy '(.+?)'.* denied request: (.*)$/,
    sentence: ([, name, why]) => told`admission policy "${name}" refuses the pod: ${why}`,
    hint: 'kubectl gpu-mcp manifest pod prints the pod, for the admin of that policy to exempt',
  },
  {
    rule: 'quota',
    pattern: /exceeded quota: (.*)$/,
    sentence: ([, why]) => told`the namespace's quota is exceeded: ${why}`,
    hint: 'kubectl describe quota; --cpu and --memory ask for less; or use -n with another namespace',
  },
  {
    rule: 'limit-range',
    // k8s.io/kubernetes/plugin/pkg/admission/limitranger/admission.go, minConstraint and others.
    pattern:
      /(?:\[|: )((?:minimum|maximum|.{3,30} max limit to request ratio).* per (?:Container|Pod).*?)\]?$/,
    sentence: ([, why]) => told`the namespace's LimitRange refuses the pod: ${why}`,
    hint: '--cpu and --memory set its request and limit; kubectl describe limitrange',
  },
  {
    rule: 'security-context-constraint',
    pattern: /unable to validate against any security context constraint: (.*)$/,
    sentence: ([, why]) => told`no security context constraint allows the pod: ${why}`,
    hint: 'oc adm policy add-scc-to-user privileged -z default -n NAMESPACE',
  },
];

/**
 * An admission rule's own words, of an answer or of a FailedCreate event; undefined where the
 * text is something else.
 */
export function admissionRefusal(words: string): { sentence: Sentence; hint: string } | undefined {
  for (const { pattern, sentence, hint } of RULES) {
    const found = pattern.exec(words);
    if (found) return { sentence: sentence(found), hint };
  }
  return undefined;
}

/** Which rule those words are of. */
export const admissionRule = (words: string): AdmissionRule | undefined =>
  RULES.find(({ pattern }) => pattern.test(words))?.rule;
