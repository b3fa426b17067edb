import { startupSnapshot } from 'node:v8';

/**
 * For a process that is to become a snapshot of its heap: Node starts from that as if all was loaded just
 * now, and runs `main`. What tells of the process that made it is taken out, since the same code is to
 * give the same bytes; Node sets it anew at the start.
 */
export function startFromHeap(main: () => Promise<void>): void {
  startupSnapshot.addSerializeCallback(() => {
    for (const name of ['pid', 'execPath'] as const) Reflect.deleteProperty(process, name);
    process.argv = [];
    process.execArgv = [];
  });
  startupSnapshot.setDeserializeMainFunction(() => void main());
}
