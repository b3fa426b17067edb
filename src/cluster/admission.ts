/**
 * An admission rule's own words, of an answer or of a FailedCreate event; undefined where the
 * text is something else.
 */
export function admissionRefusal(words: string): { sentence: string; hint: string } | undefined {
  const security = /violates PodSecurity "?(.+?)"?: (.+)$/.exec(words);
  if (security) {
    return {
      sentence: `the namespace's Pod Security standard ${security[1]} refuses the pod: ${security[2]}`,
      hint: 'use -n with a namespace that is labelled pod-security.kubernetes.io/enforce=privileged; kubectl gpu-mcp manifest namespace prints one',
    };
  }
  const webhook = /admission webhook "(.+?)" denied the request:?\s*(.*)$/.exec(words);
  if (webhook) {
    return {
      sentence: `admission webhook "${webhook[1]}" refuses the pod: ${webhook[2]}`,
      hint: 'kubectl gpu-mcp manifest pod prints the pod, for the admin of that policy to exempt or sign',
    };
  }
  const policy = /ValidatingAdmissionPolicy '(.+?)'.* denied request: (.*)$/.exec(words);
  if (policy) {
    return {
      sentence: `admission policy "${policy[1]}" refuses the pod: ${policy[2]}`,
      hint: 'kubectl gpu-mcp manifest pod prints the pod, for the admin of that policy to exempt',
    };
  }
  const quota = /exceeded quota: (.*)$/.exec(words);
  if (quota) {
    return {
      sentence: `the namespace's quota is exceeded: ${quota[1]}`,
      hint: 'kubectl describe quota; --cpu and --memory ask for less; or use -n with another namespace',
    };
  }
  // k8s.io/kubernetes/plugin/pkg/admission/limitranger/admission.go, minConstraint and others.
  const range =
    /(?:\[|: )((?:minimum|maximum|.{3,30} max limit to request ratio).* per (?:Container|Pod).*?)\]?$/.exec(
      words,
    );
  if (range) {
    return {
      sentence: `the namespace's LimitRange refuses the pod: ${range[1]}`,
      hint: '--cpu and --memory set its request and limit; kubectl describe limitrange',
    };
  }
  const scc = /unable to validate against any security context constraint: (.*)$/.exec(words);
  if (!scc) return undefined;
  return {
    sentence: `no security context constraint allows the pod: ${scc[1]}`,
    hint: 'oc adm policy add-scc-to-user privileged -z default -n NAMESPACE',
  };
}
