/**
 * What the growth of a counter of a port is a sign of. `link`: what came over this port's own cable was damaged,
 * or its link fell. `path`: packets were lost somewhere between this port and another one, and both ends
 * count that. `congestion`: many send to one. `receiver`: the program at the other end had no buffer ready.
 */
export type NicSign = 'link' | 'path' | 'congestion' | 'receiver';

/**
 * By their names in counters/ and hw_counters/ of sysfs; whose growth is no sign of a fault is not here, nor what
 * the end of any connection leaves (req_cqe_error). Sources: Documentation/ABI/stable/sysfs-class-infiniband;
 * NVIDIA, "Understanding mlx5 Linux counters"; Amazon's efa driver.
 */
export const NIC_SIGNS = {
  symbol_error: 'link',
  link_error_recovery: 'link',
  link_downed: 'link',
  port_rcv_errors: 'link',
  local_link_integrity_errors: 'link',
  excessive_buffer_overrun_errors: 'link',
  // Its sum is of the sender and goes to the receiver; each link between them has one of its own (FCS).
  rx_icrc_encapsulated: 'path',
  out_of_sequence: 'path',
  packet_seq_err: 'path',
  implied_nak_seq_err: 'path',
  local_ack_timeout_err: 'path',
  duplicate_request: 'path',
  roce_adp_retrans: 'path',
  port_xmit_discards: 'path',
  retrans_timeout_events: 'path',
  impaired_remote_conn_events: 'path',
  roce_slow_restart: 'congestion',
  port_xmit_wait: 'congestion',
  np_ecn_marked_roce_packets: 'congestion',
  rnr_nak_retry_err: 'receiver',
  out_of_buffer: 'receiver',
} as const satisfies Readonly<Record<string, NicSign>>;

const SIGNS: ReadonlyMap<string, NicSign> = new Map(Object.entries(NIC_SIGNS));

export const nicSignOf = (counter: string): NicSign | undefined => SIGNS.get(counter);
