import { basename, join } from 'node:path';
import { pciKey } from '../contract/pci.ts';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles } from './files.ts';
import { type PciChains, pathBetween } from './pci-chain.ts';
import { readLink, readNumaNode } from './pci-link.ts';
import type { HostCounters, NetworkInterface, Nic, NicPort, PciDevice } from './port.ts';

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

/**
 * What a port has sent and received. port_xmit_data: "total number of data octets, divided by 4"
 * (Documentation/ABI/stable/sysfs-class-infiniband); Amazon's driver counts octets in hw_counters.
 */
const TRAFFIC = [
  { folder: 'counters', sent: 'port_xmit_data', received: 'port_rcv_data', octets: 4 },
  { folder: 'hw_counters', sent: 'tx_bytes', received: 'rx_bytes', octets: 1 },
] as const;

/** @param path of the port in /sys/class/infiniband/NAME/ports */
export async function readPortTraffic(
  files: NodeFiles,
  path: string,
): Promise<Pick<HostCounters['ports'][number], 'sentBytes' | 'receivedBytes'>> {
  for (const { folder, sent, received, octets } of TRAFFIC) {
    const read = await readCounters(files, join(path, folder), [sent, received]);
    const [out, back] = [read[sent], read[received]];
    if (out !== undefined && back !== undefined) {
      return { sentBytes: out * octets, receivedBytes: back * octets };
    }
  }
  return {};
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

const NICS_MAX = 64;
const PORTS_MAX = 16;
const INTERFACES_MAX = 16;

/** RDMA devices of the node. Source of the files: Documentation/ABI/stable/sysfs-class-infiniband. */
export async function readNics(
  files: NodeFiles,
  sysRoot: string,
  chains: PciChains,
  gpus: Reading<readonly PciDevice[]>,
): Promise<Reading<readonly Nic[]>> {
  const directory = join(sysRoot, 'class/infiniband');
  const names = await files.names(directory);
  if (!names.ok) {
    // Without the ib_core module there is no such class: no RDMA device either.
    const classes = await files.names(join(sysRoot, 'class'));
    const none = names.reason === 'not_found' && classes.ok && classes.value.length > 0;
    return none ? present([]) : names;
  }
  const gpuPlaces = await placesOf(chains, gpus);
  const read = (name: string) =>
    readNic({ files, chains, path: join(directory, name), name, gpuPlaces });
  return present(await eachOf(names.value.slice(0, NICS_MAX), read));
}

interface GpuPlace {
  readonly gpuPci: string;
  readonly at: Parameters<typeof pathBetween>[0];
}

async function placesOf(
  chains: PciChains,
  gpus: Reading<readonly PciDevice[]>,
): Promise<readonly GpuPlace[]> {
  const devices = (known(gpus) ?? []).filter(({ kind }) => kind === 'gpu');
  return eachOf(devices, async ({ pci, function: number, numaNode }) => ({
    gpuPci: pci,
    at: { place: await chains.place(`${pci}.${number}`), numaNode },
  }));
}

async function readNic(options: {
  readonly files: NodeFiles;
  readonly chains: PciChains;
  readonly path: string;
  readonly name: string;
  readonly gpuPlaces: readonly GpuPlace[];
}): Promise<Nic> {
  const { files, chains, path, name, gpuPlaces } = options;
  const device = join(path, 'device');
  const address = mapReading(await files.link(device), target => basename(target));
  const driver = mapReading(await files.link(join(device, 'driver')), target =>
    plainText(basename(target), 64),
  );
  const numaNode = await readNumaNode(files, device);
  const place = address.ok ? await chains.place(address.value) : address;
  const portNames = known(await files.names(join(path, 'ports'))) ?? [];
  const numbers = portNames.filter(each => /^\d{1,3}$/.test(each)).map(Number);
  const ports = await eachOf(numbers.slice(0, PORTS_MAX), port => readNicPort(files, path, port));
  return {
    name: plainText(name, 64),
    kind: kindOf(known(driver), ports),
    pci: pciOf(address),
    driver,
    numaNode,
    firmware: await readText(files, join(path, 'fw_ver')),
    boardId: await readText(files, join(path, 'board_id')),
    ...(await readLink(files, device)),
    ports: ports.toSorted((a, b) => a.port - b.port),
    interfaces: await readInterfaces(files, join(device, 'net')),
    gpuPaths: gpuPlaces.map(({ gpuPci, at }) => ({
      gpuPci,
      path: pathBetween({ place, numaNode }, at),
    })),
  };
}

function kindOf(driver: string | undefined, ports: readonly NicPort[]): Nic['kind'] {
  if (driver === 'efa') return 'efa';
  if (driver === 'irdma' || driver === 'iw_cxgb4') return 'iwarp';
  const layers = ports.map(({ linkLayer }) => known(linkLayer));
  if (layers.includes('InfiniBand')) return 'infiniband';
  return layers.includes('Ethernet') ? 'roce' : 'other';
}

function pciOf(address: Reading<string>): Reading<string> {
  if (!address.ok) return address;
  const pci = pciKey(address.value);
  return pci === undefined ? missing('not_supported', 'no PCI device') : present(pci);
}

async function readText(files: NodeFiles, path: string): Promise<Reading<string>> {
  return mapReading(await files.text(path), text => plainText(text, 64));
}

/** Network interfaces of the same PCI function: Documentation/ABI/testing/sysfs-class-net. */
async function readInterfaces(
  files: NodeFiles,
  path: string,
): Promise<readonly NetworkInterface[]> {
  const names = known(await files.names(path)) ?? [];
  return eachOf(names.slice(0, INTERFACES_MAX), async name => ({
    name: plainText(name, 32),
    operstate: await readText(files, join(path, name, 'operstate')),
    speedMbps: await readNumber(files, join(path, name, 'speed')),
  }));
}

/** `speed` is -1, or refuses with EINVAL, while the link is down. */
async function readNumber(files: NodeFiles, path: string): Promise<Reading<number>> {
  const text = await files.text(path);
  if (!text.ok) return text;
  return /^\d{1,12}$/.test(text.value)
    ? present(Number(text.value))
    : missing('no_data', plainText(text.value, 40));
}
