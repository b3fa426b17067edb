/**
 * What containers see of GPUs and limits, of pods that no GPU is allocated to: a tool that is not listed,
 * so no model sees it. Triage looks into the others.
 */
export const CONTAINERS_TOOL = 'container_views';
export { ContainerFaults } from '../findings/support/container-faults.ts';
