/**
 * Handles of a simulated library. GPUs are told apart by their index plus one; MIG devices stand above,
 * GPU instances and GPM samples far above.
 */
const MIG_STEP = 4096n;
const GPU_INSTANCES = 1n << 40n;
const INSTANCE_STEP = 65_536n;
const GPM_SAMPLES = 1n << 48n;

/** MIG device `index` of a GPU. */
export const migHandle = (gpu: bigint, index: number): bigint => gpu + MIG_STEP * BigInt(index + 1);

/** The index of a device's GPU, and of the MIG device in it where it is one. */
export const deviceOf = (handle: bigint): { readonly gpu: number; readonly mig?: number } => ({
  gpu: Number(handle % MIG_STEP) - 1,
  ...(handle < MIG_STEP ? {} : { mig: Number(handle / MIG_STEP) - 1 }),
});

export const gpuInstanceHandle = (gpu: bigint, id: number): bigint =>
  GPU_INSTANCES + gpu * INSTANCE_STEP + BigInt(id);

/** The GPU's handle and the instance's id. */
export const gpuInstanceOf = (handle: bigint): { readonly gpu: bigint; readonly id: number } => ({
  gpu: (handle - GPU_INSTANCES) / INSTANCE_STEP,
  id: Number((handle - GPU_INSTANCES) % INSTANCE_STEP),
});

/** Samples by their handle, with the device that each was taken of. */
export type GpmSamples = Map<bigint, bigint>;

export function allocateSample(samples: GpmSamples): bigint {
  const handle = GPM_SAMPLES + BigInt(samples.size);
  samples.set(handle, 0n);
  return handle;
}
