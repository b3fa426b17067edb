import { expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

/**
 * What frameworks, servers and codes print as they start and run, on machines where nothing is wrong: from the sources
 * of TensorRT, Triton Inference Server, TensorFlow, JAX, PyTorch, vLLM, SGLang, DeepSpeed, NeMo, llama.cpp, Ollama,
 * ONNX Runtime, Kokkos, GROMACS, Charm++, the containers of NGC and tests of GPUs.
 */
const NOISE = `[TensorRT-LLM][WARNING] Device 0 peer access Device 1 is not available.
[11/28/2026-04:00:01] [W] [TRT] CUDA lazy loading is not enabled. Enabling it can significantly reduce device memory usage and speed up TensorRT initialization.
W1128 04:00:01.490303 1 metrics.cc:798] "Cannot get CUDA device count, GPU metrics will not be available"
I1128 04:00:01.490303 1 cuda_memory_manager.cc:117] "CUDA memory pool disabled"
NOTE: MOFED driver for multi-node communication was not detected.
WARNING: The NVIDIA Driver was not detected.  GPU functionality will not be available.
2026-11-28 04:00:01.117000: W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] TF-TRT Warning: Could not find TensorRT
2026-11-28 04:00:01.117000: I tensorflow/compiler/xla/stream_executor/cuda/cuda_gpu_executor.cc:995] successful NUMA node read from SysFS had negative value (-1), but there must be at least one NUMA node, so returning NUMA node zero.
2026-11-28 04:00:01.117000: W external/xla/xla/service/gpu/nvptx_compiler.cc:765] The NVIDIA driver's CUDA version is 12.2 which is older than the ptxas CUDA version (12.3.107). Because the driver is older than the ptxas version, XLA is disabling parallel compilation, which may slow down compilation.
INFO:jax._src.xla_bridge:Unable to initialize backend 'rocm': NOT_FOUND: Could not find registered platform with name: "rocm".
Some weights of BertForSequenceClassification were not initialized from the model checkpoint at bert-base and are newly initialized: ['classifier.bias']
/opt/conda/lib/python3.10/site-packages/torch/utils/checkpoint.py:429: UserWarning: torch.utils.checkpoint: please pass in use_reentrant=True or use_reentrant=False explicitly.
WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for:
WARNING 11-28 04:00:01 [cuda.py:95] To see benefits of async output processing, enable CUDA graph. Since, enforce-eager is enabled, async output processor cannot be used
WARNING 11-28 04:00:01 [config.py:673] Async output processing is not supported on the current platform type cuda.
INFO 11-28 04:00:01 [importing.py:17] Triton not installed or not compatible; certain GPU-related functions will not be available.
[2026-11-28 04:00:01] WARNING model_config.py:619: Transformers version 4.57.1 is used for model type x. If you experience issues related to RoPE parameters, they may be due to incompatibilities between Transformers >=5.0.0 and some models.
 [WARNING]  sparse_attn requires a torch version >= 1.5 and < 2.0 but detected 2.2
WARNING: APEX is not installed, multi_tensor_applier will not be available.
[NeMo W 2026-11-28 04:00:01 nemo_logging:349] /opt/conda/lib/python3.10/site-packages/x.py:12: UserWarning: x requires flash-attn >= 2.4.3
The installed version of bitsandbytes was compiled without GPU support. 8-bit optimizers and GPU quantization are unavailable.
load_backend: loaded CUDA backend from /app/libggml-cuda.so
ggml_cuda_init: found 1 CUDA devices:
time=2026-11-28T04:00:01.117Z level=INFO source=gpu.go:377 msg="no compatible amdgpu devices detected"
time=2026-11-28T04:00:01.117Z level=WARN source=types.go:654 msg="invalid option provided" option=tfs_z
[W:onnxruntime:, session_state.cc:1162 VerifyEachNodeIsAssignedToAnEp] Some nodes were not assigned to the preferred execution providers which may or may not have an negative impact on performance.
Kokkos::Cuda::initialize WARNING: running kernels compiled for compute capability 7.0 on device with compute capability 8.0 , this will likely reduce potential performance.
WARNING: Library libcublas not preloaded
NOTE: Detection of GPUs failed. The API reported: no CUDA-capable device, GROMACS will run on the CPU.
step 51: One or more water molecules can not be settled.
Charm++> Warning: the number of pes is larger than the number of cores
cudaDeviceSynchronize returned 0
cuInit(0) returned 0
cudaGetDeviceCount returned 0
cudaMalloc failed: 12 times less often than before
#  Out of bounds values : 0 OK
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=        0.0028516 ...... PASSED
	GPU 0: OK
[h264 @ 0x55d0c1e0] Could not find ref with POC 5
installed 12 packages in 3.21s
Requirement already satisfied: torch>=2.4.1 in /opt/conda
Number of skipped iterations: 0
grad norm: 1.2 | number of skipped iterations:   0 | number of nan iterations:   0 |
libEGL warning: DRI2: failed to authenticate
(gst-plugin-scanner:12): GStreamer-WARNING **: 04:00:01.117: Failed to load plugin '/usr/lib/x.so': libtritonserver.so: cannot open shared object file: No such file or directory
Fallback to CPU: no GPU found
server port 8080 in use by this service
port 8000 is in use: ours`.split('\n');

const causeLine = (...log: readonly string[]) => {
  const text = log.join('\n');
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  return readJobLog({ ...asked, text, cut: false }).entries.find(({ role }) => role === 'cause')
    ?.line;
};

const steps = Array.from({ length: 30 }, (_, step) => `step ${step} loss ${2 - step * 0.01}`);
const raised = ['Traceback (most recent call last):', '  File "/a.py", line 1, in <module>'];

test.each(NOISE)('of a job that worked on it is no cause, nor beside one: %s', line => {
  expect(causeLine('starting', line, ...steps, 'Training finished')).toBeUndefined();
  expect(causeLine('starting', line, ...raised, "KeyError: 'x'")).toBe(5);
});
