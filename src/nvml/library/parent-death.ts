import { constants } from 'node:os';
import { loadKoffi } from './koffi.ts';

/** prctl(2), linux/prctl.h: the signal that the kernel sends this process when its parent dies. */
const PR_SET_PDEATHSIG = 1;

/**
 * Has the kernel kill this process when its parent dies. A child that hangs in a call reads no
 * stdin and would outlive the agent otherwise.
 */
export async function dieWithParent(): Promise<void> {
  const koffi = await loadKoffi();
  const prctl = koffi.load('libc.so.6').func('prctl', 'int', ['int', 'ulong']);
  prctl(PR_SET_PDEATHSIG, constants.signals.SIGKILL);
}
