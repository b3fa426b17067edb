import type { DeviceRef, DriverGpu } from './port.ts';

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const NVIDIA_ID = new RegExp(`^(GPU|MIG)-(${UUID})(?:::(\\d{1,6}))?$`, 'i');
/** MIG's form before driver 470: `MIG-GPU-<uuid>/<gpu instance>/<compute instance>`. */
const OLD_MIG_ID = new RegExp(`^MIG-(GPU-${UUID})/(\\d{1,3})/(\\d{1,3})(?:::(\\d{1,6}))?$`, 'i');
const GKE_ID = /^nvidia(\d{1,4})(?:\/gi(\d{1,3}))?(?:\/vgpu(\d{1,6}))?$/;
const DRA_ID = /^gpu-(\d{1,4})(?:-mig-.*)?$/;

/**
 * What a device plugin's id names. Of an unknown form only the id itself is told.
 *
 * Sources: k8s-device-plugin (`GPU-`, `MIG-`, `::` replicas), container-engine-accelerators
 * (`nvidia0/gi1/vgpu0`), k8s-dra-driver-gpu (`gpu-<minor>`).
 */
export function deviceRef(id: string, gpus: readonly DriverGpu[]): DeviceRef {
  const nvidia = NVIDIA_ID.exec(id);
  if (nvidia) {
    const [, kind = '', uuid = '', replica] = nvidia;
    const name = `${kind.toUpperCase()}-${uuid.toLowerCase()}`;
    return {
      id,
      ...(kind.toUpperCase() === 'MIG' ? { migUuid: name } : { gpuUuid: name }),
      ...(replica === undefined ? {} : { replica: Number(replica) }),
    };
  }
  const oldMig = OLD_MIG_ID.exec(id);
  if (oldMig) {
    const [, gpuUuid = '', instance = '', , replica] = oldMig;
    return {
      id,
      gpuUuid,
      gpuInstance: Number(instance),
      ...(replica === undefined ? {} : { replica: Number(replica) }),
    };
  }
  const gke = GKE_ID.exec(id);
  const minor = (gke ?? DRA_ID.exec(id))?.[1];
  return {
    id,
    ...(minor === undefined ? {} : byMinor(Number(minor), gpus)),
    ...(gke?.[2] === undefined ? {} : { gpuInstance: Number(gke[2]) }),
    ...(gke?.[3] === undefined ? {} : { replica: Number(gke[3]) }),
  };
}

function byMinor(minor: number, gpus: readonly DriverGpu[]): Pick<DeviceRef, 'minor' | 'gpuUuid'> {
  const gpu = gpus.find(each => each.minor.ok && each.minor.value === minor);
  return { minor, ...(gpu?.uuid.ok ? { gpuUuid: gpu.uuid.value } : {}) };
}
