import { expect, test } from 'vitest';
import { admissionRefusal } from '../../src/cluster/admission.ts';
import { sentenceOf } from '../../src/contract/errors.ts';

const POD_HINT =
  'kubectl gpu-mcp manifest pod prints the pod, for the admin of that policy to exempt';

test.each([
  [
    'pods "p" is forbidden: violates PodSecurity "restricted:v1.31": a: b (c)',
    "the namespace's Pod Security standard restricted:v1.31 refuses the pod: a: b (c)",
    'use -n with a namespace that is labelled pod-security.kubernetes.io/enforce=privileged; kubectl gpu-mcp manifest namespace prints one; --profile restricted --no-syslog reads less and is let in',
  ],
  [
    'violates PodSecurity "baseline:latest": non-default capabilities (container "mcp" must not include "SYSLOG" in securityContext.capabilities.add)',
    `the namespace's Pod Security standard baseline:latest refuses the pod: non-default capabilities (container "mcp" must not include "SYSLOG" in securityContext.capabilities.add)`,
    '--no-syslog leaves CAP_SYSLOG out, and with it the kernel log',
  ],
  [
    'violates PodSecurity baseline: no',
    "the namespace's Pod Security standard baseline refuses the pod: no",
    'use -n with a namespace that is labelled pod-security.kubernetes.io/enforce=privileged; kubectl gpu-mcp manifest namespace prints one; --profile restricted --no-syslog reads less and is let in',
  ],
  [
    'admission webhook "a.b" denied the request without explanation',
    'admission webhook "a.b" refuses the pod: without explanation',
    `${POD_HINT} or sign`,
  ],
  [
    'admission webhook "a.b" denied the request:  no: never',
    'admission webhook "a.b" refuses the pod: no: never',
    `${POD_HINT} or sign`,
  ],
  [
    "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'no-root' with binding 'all' denied request: not here",
    'admission policy "no-root" refuses the pod: not here',
    POD_HINT,
  ],
  [
    'pods "p" is forbidden: exceeded quota: compute, requested: pods=1',
    "the namespace's quota is exceeded: compute, requested: pods=1",
    'kubectl describe quota; --cpu and --memory ask for less; or use -n with another namespace',
  ],
  [
    'pods "p" is forbidden: [maximum cpu usage per Container is 500m, but limit is 1, maximum memory usage per Container is 256Mi, but limit is 512Mi]',
    "the namespace's LimitRange refuses the pod: maximum cpu usage per Container is 500m, but limit is 1, maximum memory usage per Container is 256Mi, but limit is 512Mi",
    '--cpu and --memory set its request and limit; kubectl describe limitrange',
  ],
  [
    'Error creating: pods "p" is forbidden: minimum cpu usage per Container is 50m, but request is 10m',
    "the namespace's LimitRange refuses the pod: minimum cpu usage per Container is 50m, but request is 10m",
    '--cpu and --memory set its request and limit; kubectl describe limitrange',
  ],
  [
    'pods "p" is forbidden: unable to validate against any security context constraint: [provider x: no]',
    'no security context constraint allows the pod: [provider x: no]',
    'oc adm policy add-scc-to-user privileged -z default -n NAMESPACE',
  ],
])('%s', (words, sentence, hint) => {
  const found = admissionRefusal(words);
  expect(found && { ...found, sentence: sentenceOf(found.sentence) }).toEqual({ sentence, hint });
});

test('other words are none', () => {
  expect(admissionRefusal('pods "p" already exists')).toBeUndefined();
});
