/** The DRA driver of GPUs (kubernetes-sigs/dra-driver-nvidia-gpu, cmd/gpu-kubelet-plugin/main.go). */
export const GPU_DRIVER = 'gpu.nvidia.com';
