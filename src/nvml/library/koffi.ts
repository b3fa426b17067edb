/**
 * The FFI, loaded at first use and only in the process that hosts NVML: its native part costs every
 * other process time and memory for nothing.
 */
export async function loadKoffi(): Promise<Pick<typeof import('koffi'), 'load' | 'address'>> {
  const { default: koffi } = await import('koffi');
  return koffi;
}
