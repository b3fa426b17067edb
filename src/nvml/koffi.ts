import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

type Koffi = Pick<typeof import('koffi'), 'load'>;

/**
 * The FFI, loaded at first use and only in the process that hosts NVML.
 *
 * Beside the agent's bundle lies koffi's native part as `koffi.node`; it is all we need of koffi
 * (its JavaScript only finds this file). From source there is no such file and the package serves.
 */
export async function loadKoffi(): Promise<Koffi> {
  const beside = fileURLToPath(new URL('./koffi.node', import.meta.url));
  if (existsSync(beside)) {
    const native: Koffi = createRequire(import.meta.url)(beside);
    return native;
  }
  const { default: koffi } = await import('koffi');
  return koffi;
}
