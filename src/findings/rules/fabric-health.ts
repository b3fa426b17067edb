import { known } from '../../contract/reading.ts';
import type { Fabric, GpuState } from '../../nvml/port.ts';
import {
  type Clue,
  gpuClue,
  gpuName,
  gpuRef,
  type NodeFacts,
  nodeClue,
  nvmlEvidence,
  type Rule,
} from '../facts.ts';

/**
 * What the fabric says of itself. Each field of nvml.h's health mask has two bits, 1 is a fault and
 * 2 is healthy: a mask that is not zero is no fault, and one of zeros says nothing.
 */
export const fabricHealth: Rule = facts => {
  const bad = facts.driver.gpus.flatMap(gpu => {
    const fabric = known(gpu.fabric);
    const faults = fabric?.state === 'completed' ? faultsOf(fabric) : [];
    return faults.length > 0 ? [{ gpu, faults }] : [];
  });
  const most = bad.length >= 3 && bad.length * 2 > facts.driver.gpus.length;
  if (most) return [ofNode(facts, bad)];
  return bad.map(({ gpu, faults }) => {
    const ref = gpuRef(gpu);
    return gpuClue(ref, 'fabric-unhealthy', {
      cause: 'nvlink',
      sign: `the fabric reports ${faults.join(', ')}`,
      ...partsOf(faults),
      title: `The NVLink fabric of ${gpuName(ref)} reports ${faults.join(', ')}`,
      evidence: [evidenceOf(facts, gpu, faults)],
    });
  });
};

function faultsOf({ health, summary }: Fabric): readonly string[] {
  const wrong = health?.incorrectConfiguration;
  const named = health
    ? [
        health.degradedBandwidth === 'fault' ? 'degraded bandwidth' : '',
        health.routeRecovery === 'fault' ? 'a route recovery under way' : '',
        health.routeUnhealthy === 'fault' ? 'an unhealthy route' : '',
        health.accessTimeoutRecovery === 'fault' ? 'a recovery from an access time-out' : '',
        wrong === undefined || wrong === 'none' || wrong === 'not_supported'
          ? ''
          : `an incorrect configuration (${wrong})`,
      ].filter(fault => fault !== '')
    : [];
  if (named.length > 0) return named;
  if (summary === 'unhealthy') return ['bad health'];
  return summary === 'limited_capacity' ? ['limited capacity'] : [];
}

function partsOf(faults: readonly string[]) {
  const slow = faults.every(fault => /degraded|limited|under way/.test(fault));
  return {
    severity: slow ? ('warning' as const) : ('critical' as const),
    component: 'fabric',
    action: slow ? ('watch' as const) : ('drain' as const),
    advice: slow
      ? 'Jobs over NVLink run slower: look at the switches and cables of this NVLink domain.'
      : 'Move multi-GPU work away; look at the fabric manager (or NMX) and the switches of this NVLink domain.',
    blame: 'fabric' as const,
    confidence: 'high' as const,
    wouldChange: 'A health mask without a fault in a later reading.',
  };
}

const evidenceOf = (facts: NodeFacts, gpu: GpuState, faults: readonly string[]) => {
  const mask = known(gpu.fabric)?.health?.mask;
  return nvmlEvidence(
    facts,
    `GPU ${gpu.index}: ${faults.join(', ')}${mask === undefined ? '' : ` (health mask 0x${mask.toString(16)})`}`,
    `nvidia-smi -i ${gpu.index} -q | grep -A12 Fabric`,
  );
};

function ofNode(
  facts: NodeFacts,
  bad: readonly { readonly gpu: GpuState; readonly faults: readonly string[] }[],
): Clue {
  const faults = [...new Set(bad.flatMap(one => one.faults))];
  return nodeClue('fabric-unhealthy', {
    ...partsOf(faults),
    gpus: bad.map(one => gpuRef(one.gpu)),
    title: `The NVLink fabric of ${bad.length} of ${facts.driver.gpus.length} GPUs reports ${faults.join(', ')}`,
    evidence: bad.slice(0, 4).map(one => evidenceOf(facts, one.gpu, one.faults)),
  });
}
