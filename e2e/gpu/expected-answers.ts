/** What names the machine's first GPU: nvidia-smi and the kernel module say it. */
export interface Identity {
  readonly name: string;
  readonly uuid: string;
  readonly driver: string;
}

/** What each tool's answer must hold on a GPU that does nothing; `hasFaults`: the log has XIDs already. */
export function missingIn(
  tool: string,
  answer: string,
  gpu: Identity,
  hasFaults: boolean,
): readonly string[] {
  const wanted = wantedOf(tool, gpu, hasFaults);
  const spaceless = answer.replaceAll(/\s+/g, '');
  return wanted.filter(text => !spaceless.includes(text.replaceAll(/\s+/g, '')));
}

function wantedOf(tool: string, gpu: Identity, hasFaults: boolean): string[] {
  const uuid = `"uuid":"${gpu.uuid}"`;
  const name = `"name":"${gpu.name}"`;
  const driver = `"driverVersion":"${gpu.driver}"`;
  const healthy = hasFaults ? [] : ['"verdict":"healthy"'];
  switch (tool) {
    case 'triage_gpu_node':
      return [uuid, name, driver, ...healthy];
    case 'describe_gpu_node':
      return [driver, ...healthy];
    case 'get_incident_report':
      return [uuid, name, driver, ...healthy];
    case 'get_gpu_inventory':
      return [uuid, name, driver, '"gpuCount":'];
    case 'get_gpu_health':
      return [uuid, name, '"status":"ok"'];
    case 'get_gpu_processes':
      return [uuid];
    case 'analyze_xid_errors':
      return hasFaults ? ['"incidents":['] : ['"incidents":[]', 'No XID or SXid incident found'];
    case 'explain_xid':
      return ['"mnemonic":"ROBUST_CHANNEL_FIFO_ERROR_MMU_ERR_FLT"', '"action":"restart_app"'];
    case 'get_gpu_timeline':
      return ['"kind":"driver_load"', gpu.driver];
    case 'sample_gpu_telemetry':
      return ['"metrics":{', '"temperatureC":{', '"powerW":{', '"smClockMhz":{'];
    case 'get_nvlink_topology':
      return ['"index":0', '"peerAccess":'];
    case 'get_pod_gpu_allocation':
      return ['"allocations":['];
    case 'explain_failure':
      return ['"fault":', '"action":'];
    default:
      return ['"summary":'];
  }
}
