import { describe, expect, test } from 'vitest';
import { hookWords } from '../../src/contract/hook-words.ts';
import { cdiAdvice } from '../../src/findings/support/cdi-words.ts';
import type { FailureFacts } from '../../src/tools/support/failure-facts.ts';
import { failureVerdict } from '../../src/tools/support/failure-verdict.ts';
import { aContainer, aPod } from '../fakes/cluster-view.ts';

const CDI = (device: string) =>
  `failed to create containerd task: OCI runtime create failed: error modifying OCI spec: failed to inject CDI devices: unresolvable CDI devices ${device}: unknown`;
const verdictOf = (message: string, findings: FailureFacts['findings'] = []) => {
  const container = aContainer({ state: 'waiting', reason: 'CreateContainerError', message });
  return failureVerdict({
    ...{ pod: aPod({ phase: 'Pending', containers: [container] }), container, end: undefined },
    ...{ podEvents: [], incidents: [], ownGpusKnown: false, logCovers: true, findings },
  });
};
const found = (id: string): FailureFacts['findings'][number] => ({
  ...{ id, severity: 'warning', component: 'configuration', action: 'fix_configuration' },
  ...{ title: 'what was found', advice: 'what is to be done', blame: 'configuration' },
  ...{ confidence: 'high', evidence: [], counterEvidence: [] },
});

describe('a CDI device that the runtime does not find', () => {
  test.each([
    ['management.nvidia.com/gpu=GPU-e78e68c0', 'The container toolkit writes'],
    ['k8s.device-plugin.nvidia.com/gpu=0', 'The device plugin writes'],
    ['k8s.gpu.nvidia.com/device=gpu-1', 'The DRA driver writes'],
    ['k8s.compute-domain.nvidia.com/claim=x', 'The DRA driver writes'],
    ['runtime.nvidia.com/gpu=all', 'NVIDIA’s runtime makes'],
    ['nvidia.com/gpu=0', 'nvidia-ctk writes'],
    ['example.com/gpu=0', 'Its CDI specification is not there'],
  ])(
    '%s is asked about who writes its specification, and proves no fault of the driver',
    (device, advice) => {
      expect(verdictOf(CDI(device))).toMatchObject({
        ...{ fault: 'configuration', confidence: 'medium', action: 'fix_configuration' },
        advice: expect.stringMatching(new RegExp(`^${advice}`)),
        why: [expect.stringContaining('unresolvable CDI devices')],
      });
    },
  );

  test('is an old specification’s where the node has one, and the driver’s where none is loaded', () => {
    expect(verdictOf(CDI('nvidia.com/gpu=0'), [found('cdi-stale')])).toMatchObject({
      ...{ fault: 'configuration', confidence: 'high', advice: 'what is to be done' },
      why: [expect.any(String), 'what was found'],
    });
    expect(verdictOf(CDI('nvidia.com/gpu=0'), [found('driver-not-loaded')])).toMatchObject({
      ...{ fault: 'driver', confidence: 'high' },
    });
  });

  test('is said under redaction by its vendor alone, and in a closed vocabulary', () => {
    expect(hookWords(CDI('k8s.gpu.nvidia.com/device=tenant-secret'))).toBe(
      'unresolvable cdi devices k8s.gpu.nvidia.com/device',
    );
    expect(hookWords(CDI('tenant-secret.com/gpu=0'))).toBe('unresolvable cdi devices');
    expect(hookWords('start "unresolvable CDI devices nvidia.com/gpu=0"')).toBeUndefined();
  });

  test('no other words of the runtime are of CDI', () => {
    expect(cdiAdvice('nvidia-container-cli: initialization error: nvml error')).toBeUndefined();
    expect(cdiAdvice('not found')).toBeUndefined();
  });
});
