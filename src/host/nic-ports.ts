import { join } from 'node:path';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles } from './files.ts';
import type { NicPort } from './port.ts';

/**
 * Counters of errors, by their names in counters/ and hw_counters/ (Documentation/ABI/stable/
 * sysfs-class-infiniband, NVIDIA's and Amazon's driver documents). Traffic is left out.
 */
const COUNTERS = [
  ...['symbol_error', 'link_error_recovery', 'link_downed', 'port_rcv_errors'],
  ...['port_rcv_remote_physical_errors', 'port_rcv_switch_relay_errors', 'port_xmit_discards'],
  ...['local_link_integrity_errors', 'excessive_buffer_overrun_errors', 'VL15_dropped'],
  ...['port_xmit_constraint_errors', 'port_rcv_constraint_errors', 'port_xmit_wait'],
];
const HARDWARE_COUNTERS = [
  ...['out_of_sequence', 'packet_seq_err', 'local_ack_timeout_err', 'rnr_nak_retry_err'],
  ...['implied_nak_seq_err', 'duplicate_request', 'roce_slow_restart', 'roce_adp_retrans'],
  ...['rx_icrc_encapsulated', 'out_of_buffer', 'np_ecn_marked_roce_packets', 'req_cqe_error'],
  ...['resp_cqe_error', 'rx_drops', 'retrans_timeout_events', 'impaired_remote_conn_events'],
];

/** One port of an RDMA device. */
export async function readNicPort(files: NodeFiles, nic: string, port: number): Promise<NicPort> {
  const path = join(nic, 'ports', String(port));
  return {
    port,
    linkLayer: mapReading(await files.text(join(path, 'link_layer')), text => plainText(text, 32)),
    // `4: ACTIVE` and `5: LinkUp`.
    state: word(await files.text(join(path, 'state'))),
    physicalState: word(await files.text(join(path, 'phys_state'))),
    rateGbps: rate(await files.text(join(path, 'rate'))),
    counters: await readPortCounters(files, path),
  };
}

/** The counters alone. @param path of the port in /sys/class/infiniband/NAME/ports */
export async function readPortCounters(
  files: NodeFiles,
  path: string,
): Promise<NicPort['counters']> {
  return {
    ...(await readCounters(files, join(path, 'counters'), COUNTERS)),
    ...(await readCounters(files, join(path, 'hw_counters'), HARDWARE_COUNTERS)),
  };
}

function word(text: Reading<string>): Reading<string> {
  if (!text.ok) return text;
  const found = /^\d{1,2}: (\w{1,32})$/.exec(text.value)?.[1];
  return found === undefined ? missing('unreadable', plainText(text.value, 40)) : present(found);
}

/** `400 Gb/sec (4X NDR)`, `2.5 Gb/sec (1X SDR)`. */
function rate(text: Reading<string>): Reading<number> {
  if (!text.ok) return text;
  const found = /^(\d{1,5}(?:\.\d)?) Gb\/sec/.exec(text.value)?.[1];
  return found === undefined
    ? missing('unreadable', plainText(text.value, 40))
    : present(Number(found));
}

async function readCounters(
  files: NodeFiles,
  directory: string,
  wanted: readonly string[],
): Promise<Readonly<Record<string, number>>> {
  const names = known(await files.names(directory)) ?? [];
  const rows = await eachOf(
    names.filter(name => wanted.includes(name)),
    async name => {
      const text = known(await files.text(join(directory, name)));
      return text !== undefined && /^\d{1,20}$/.test(text) ? [[name, Number(text)] as const] : [];
    },
  );
  return Object.fromEntries(rows.flat());
}
