/** What a session on a cluster needs, in one import: it is loaded at the first call and not before. */
export { withRole } from './ephemeral-container.ts';
export { openEphemeralLink } from './ephemeral-link.ts';
export { openKubernetesLink } from './kubernetes-link.ts';
export { sharedReaper, spawnReaper } from './reaper.ts';
export { RowPods } from './row-pods.ts';
export { othersOn, sweep } from './sweep.ts';
