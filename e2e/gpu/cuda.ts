import type { Koffi } from './raw-library.ts';

/**
 * Kernels that do what programs do wrong, one that works and one that waits as a collective does: the
 * driver compiles them itself, so that no compiler is needed on the machine. It tells the first as XID 31,
 * the next two as XID 13.
 */
const PTX = `.version 7.0
.target sm_70
.address_size 64

.visible .entry out_of_bounds(.param .u64 memory)
{
  .reg .b64 %address;
  .reg .b32 %value;
  ld.param.u64 %address, [memory];
  add.u64 %address, %address, 0x10000000000;
  ld.volatile.global.u32 %value, [%address];
  add.u32 %value, %value, 1;
  st.volatile.global.u32 [%address], %value;
  ret;
}

.visible .entry misaligned(.param .u64 memory)
{
  .reg .b64 %address;
  .reg .b32 %value;
  ld.param.u64 %address, [memory];
  add.u64 %address, %address, 1;
  ld.volatile.global.u32 %value, [%address];
  add.u32 %value, %value, 1;
  st.volatile.global.u32 [%address], %value;
  ret;
}

.visible .entry trapped(.param .u64 memory)
{
  trap;
  ret;
}

.visible .entry busy(.param .u64 memory)
{
  .reg .b64 %address;
  .reg .f32 %a, %b, %c, %d;
  .reg .b32 %turn;
  .reg .pred %more;
  ld.param.u64 %address, [memory];
  mov.f32 %a, 0f3F800001;
  mov.f32 %b, 0f3F7FFFFF;
  mov.f32 %c, 0f3F800000;
  mov.f32 %d, 0f3F800000;
  mov.u32 %turn, 0;
turn:
  fma.rn.f32 %c, %a, %b, %c;
  fma.rn.f32 %d, %a, %b, %d;
  fma.rn.f32 %c, %a, %b, %c;
  fma.rn.f32 %d, %a, %b, %d;
  add.u32 %turn, %turn, 1;
  setp.lt.u32 %more, %turn, 2000000;
  @%more bra turn;
  add.f32 %c, %c, %d;
  st.volatile.global.f32 [%address], %c;
  ret;
}

.visible .entry waits(.param .u64 memory)
{
  .reg .b64 %address;
  .reg .b32 %value;
  .reg .pred %more;
  ld.param.u64 %address, [memory];
  st.volatile.global.u32 [%address], 0;
turn:
  ld.volatile.global.u32 %value, [%address];
  setp.eq.u32 %more, %value, 0;
  @%more bra turn;
  ret;
}
`;

export const kernelsAsPtx = (): string => PTX;

/** The calls as far as they came, and what the last said: 700 is CUDA_ERROR_ILLEGAL_ADDRESS. */
export interface Launched {
  readonly calls: readonly string[];
  readonly code: number;
}

/** Launches one kernel on the first GPU through the driver's own interface. */
export function launch(koffi: Koffi, library: string, kernel: string, seconds: number): Launched {
  const cuda = koffi.load(library);
  const calls: string[] = [];
  const endMs = performance.now() + seconds * 1000;
  const out = () => Buffer.alloc(8);
  const call = (symbol: string, types: string[], values: unknown[]): number => {
    const code: unknown = cuda.func(symbol, 'int', types)(...values);
    calls.push(`${symbol} ${code}`);
    if (typeof code === 'number' && code === 0) return 0;
    throw new CudaError(typeof code === 'number' ? code : -1);
  };
  const [context, module, entry, memory] = [out(), out(), out(), out()];
  try {
    call('cuInit', ['uint32_t'], [0]);
    call('cuDevicePrimaryCtxRetain', ['void *', 'int'], [context, 0]);
    call('cuCtxSetCurrent', ['void *'], [context.readBigUInt64LE()]);
    call('cuMemAlloc_v2', ['void *', 'size_t'], [memory, 4096]);
    call('cuModuleLoadData', ['void *', 'void *'], [module, Buffer.from(`${PTX}\0`)]);
    const name = Buffer.from(`${kernel}\0`);
    const types = ['void *', 'void *', 'void *'];
    call('cuModuleGetFunction', types, [entry, module.readBigUInt64LE(), name]);
    const parameters = Buffer.alloc(8);
    parameters.writeBigUInt64LE(koffi.address(memory));
    const isLong = kernel === 'busy';
    const shape = isLong ? [1056, 1, 1, 256, 1, 1] : [1, 1, 1, 1, 1, 1];
    const launchTypes = ['void *', ...Array(7).fill('uint32_t'), 'void *', 'void *', 'void *'];
    do {
      const given = [entry.readBigUInt64LE(), ...shape, 0, null, parameters, null];
      call('cuLaunchKernel', launchTypes, given);
      call('cuCtxSynchronize', [], []);
    } while (isLong && performance.now() < endMs);
  } catch (error) {
    if (error instanceof CudaError) return { calls, code: error.code };
    throw error;
  }
  return { calls, code: 0 };
}

class CudaError extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`CUDA error ${code}`);
    this.code = code;
  }
}
