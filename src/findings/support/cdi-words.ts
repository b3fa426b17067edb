import { hookWords } from '../../contract/hook-words.ts';

/**
 * Who writes the CDI specification in which a runtime does not find a device, by the vendor of its name:
 * NVIDIA/nvidia-container-toolkit (internal/modifier/cdi.go, deployments/systemd; #1239),
 * NVIDIA/k8s-device-plugin (internal/cdi; #1203), kubernetes-sigs/dra-driver-nvidia-gpu (cdi.go; #736).
 */
const WRITERS: readonly (readonly [vendor: RegExp, advice: string])[] = [
  [
    /^management\./,
    'The container toolkit writes this specification, with the one device `all`: one by number or UUID is asked for where NVIDIA_VISIBLE_DEVICES is set in a pod of the runtime class nvidia (NVIDIA/nvidia-container-toolkit#1239). Look also whether the toolkit is ready on this node.',
  ],
  [
    /^k8s\.device-plugin\./,
    'The device plugin writes this specification when it starts, where its device list strategy is one of CDI: look whether it runs, and whether the runtime reads its folder (/var/run/cdi).',
  ],
  [
    /^k8s\./,
    'The DRA driver writes this specification for each claim that it prepares: look whether the runtime has CDI enabled and reads its folder (/var/run/cdi; on Talos another one).',
  ],
  [
    /^runtime\./,
    'NVIDIA’s runtime makes this specification itself for each container: look whether the driver is loaded and the toolkit ready on this node.',
  ],
  [
    /^nvidia\.com/,
    'nvidia-ctk writes this specification on the node (nvidia-cdi-refresh.service, or by hand): after a change of driver or MIG devices it is old until it is written anew.',
  ],
];

/** What is to be looked at where a CDI device is not found; undefined for a message of another matter. */
export function cdiAdvice(message: string): string | undefined {
  const vendor = /^unresolvable cdi devices ?(.*)$/.exec(hookWords(message) ?? '')?.[1];
  if (vendor === undefined) return undefined;
  return (
    WRITERS.find(([of]) => of.test(vendor))?.[1] ??
    'Its CDI specification is not there, or is of other devices: nvidia-ctk cdi list on the node shows which are.'
  );
}
