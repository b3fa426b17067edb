import { pciKey } from '../contract/pci.ts';
import { note, ours } from './plain-verdict.ts';
import { isAtStart } from './provenance.ts';
import { type Line, line, type Verdict } from './verdict.ts';

const ADDRESS = '([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7])';
/** IFNAMSIZ is 16 with its end. */
const INTERFACE = '([^\\s:/]{1,15})';

/**
 * What the kernel says of network adapters: a job that waits for its network looks like a GPU that
 * hangs. Nothing here is an incident of its own: rules read these lines beside the state of the port.
 *
 * Forms: mlx5 en_main.c (mlx5e_update_carrier), events.c (port_module), health.c, cmd.c; bnxt.c and
 * others (NIC Link is); net/sched/sch_generic.c (dev_watchdog) of several kernels.
 */
export function parseNicLine(message: string): Line | undefined {
  for (const [form, read] of FORMS) {
    const found = form.exec(message);
    if (found && isAtStart(message.slice(0, found.index))) return read(found);
  }
  return undefined;
}

type Form = readonly [form: RegExp, read: (found: RegExpExecArray) => Line];

const FORMS: readonly Form[] = [
  [
    new RegExp(`\\b(mlx5_core) ${ADDRESS} ${INTERFACE}: Link (up|down)$`, 'i'),
    ([, driver, raw, name, state]) => link({ driver, raw, name, up: state === 'up' }),
  ],
  [
    new RegExp(`\\b(\\w{1,32}) ${ADDRESS} ${INTERFACE}: NIC Link is (Up|Down)\\b`, 'i'),
    ([, driver, raw, name, state]) => link({ driver, raw, name, up: state === 'Up' }),
  ],
  [
    new RegExp(
      `\\b(\\w{1,32}) ${ADDRESS} ${INTERFACE}: NETDEV WATCHDOG: CPU: \\d+: transmit queue (\\d+) timed out`,
      'i',
    ),
    ([, driver, raw, name, queue]) => stalled({ driver, raw, name, queue }),
  ],
  [
    // Before Linux 6.5, and no address.
    new RegExp(
      `\\bNETDEV WATCHDOG: ${INTERFACE} \\(([^)]{1,32})\\): transmit queue (\\d+) timed out`,
    ),
    ([, name, driver, queue]) => stalled({ driver, raw: undefined, name, queue }),
  ],
  [
    new RegExp(
      `\\bmlx5_core ${ADDRESS}: (?:port_module:\\d+:\\(pid \\d+\\): )?Port module event(?:\\[error\\])?: module (\\d+), (Cable \\w+|Unknown status)(?:, (.+))?`,
    ),
    ([, raw, module, status, error]) =>
      nic('nic_module', raw, {
        details: { module: Number(module), status, error: error?.trim() ?? null },
        verdict:
          error === undefined
            ? note('Network cable', 'A network cable was plugged, unplugged or disabled.')
            : CABLE,
      }),
  ],
  [
    new RegExp(
      `\\bmlx5_core ${ADDRESS}: (?:[\\w.]{1,40}:\\d+:(?:\\(pid \\d+\\):)? ?)?(?:.{0,80}?)(device's health compromised - reached miss count|unrecoverable hardware error|timeout\\. Will cause a leak of a command resource)`,
    ),
    ([, raw, detail]) => nic('nic_health', raw, { details: { detail }, verdict: FIRMWARE }),
  ],
  [
    new RegExp(
      `\\bmlx5_core ${ADDRESS}: (?:[\\w.]{1,40}:\\d+:(?:\\(pid \\d+\\):)? ?)?(Detected insufficient power on the PCIe slot \\((\\d+)W\\)|High temperature on sensors with bit set|Fatal error (\\d+) detected|ACCESS_REG\\(0x805\\) .{0,80}failed)`,
    ),
    ([, raw, words = '', watts, code]) => {
      const [kind, verdict] = words.startsWith('Detected')
        ? (['nic_power', POWER] as const)
        : words.startsWith('High')
          ? (['nic_temperature', HOT] as const)
          : words.startsWith('Fatal')
            ? (['nic_health', FIRMWARE] as const)
            : (['nic_register', REFUSED] as const);
      const details = {
        ...(watts === undefined ? {} : { watts: Number(watts) }),
        ...(code === undefined ? {} : { fatal_error: Number(code) }),
        detail: words,
      };
      return nic(kind, raw, { details, verdict });
    },
  ],
];

const place = (raw: string | undefined) => (raw === undefined ? null : (pciKey(raw) ?? null));

const nic = (
  kind: string,
  raw: string | undefined,
  parts: { readonly details: Record<string, unknown>; readonly verdict: Verdict },
): Line => line({ kind, pci: place(raw), role: 'background', rank: 2, ...parts });

/** Up and down differ in kind: a flood of one hides nothing of the other. */
const link = (facts: {
  readonly driver: string | undefined;
  readonly raw: string | undefined;
  readonly name: string | undefined;
  readonly up: boolean;
}): Line =>
  nic(facts.up ? 'nic_link_up' : 'nic_link_down', facts.raw, {
    details: { driver: facts.driver, interface: facts.name },
    verdict: facts.up
      ? note('Network link up', 'A network port has a link again, or for the first time.')
      : note('Network link down', 'A network port lost its link.'),
  });

const stalled = (facts: {
  readonly driver: string | undefined;
  readonly raw: string | undefined;
  readonly name: string | undefined;
  readonly queue: string | undefined;
}): Line =>
  nic('nic_stalled', facts.raw, {
    details: { driver: facts.driver, interface: facts.name, queue: Number(facts.queue) },
    verdict: ours({
      action: 'watch',
      severity: 'info',
      blame: 'host',
      title: 'Network adapter sent nothing for seconds',
      meaning: 'A queue of the network adapter stood still; its driver resets it by itself.',
      advice: 'Look at the port and its switch if it repeats.',
    }),
  });

const CABLE: Verdict = ours({
  action: 'watch',
  severity: 'info',
  blame: 'host',
  title: 'Network cable or transceiver error',
  meaning: 'The adapter reports an error of its cable or transceiver.',
  advice: 'Look at the cable and the transceiver of this port.',
});

/** NVIDIA calls the message harmless where the adapter runs at its speed; it comes at each start. */
const POWER: Verdict = note(
  'Network adapter reports a slot of little power',
  'The PCIe slot grants the network adapter less power than it may take; harmless where its link has its full speed.',
);

const HOT: Verdict = ours({
  action: 'watch',
  severity: 'warning',
  blame: 'host',
  title: 'Network adapter is hot',
  meaning: 'A temperature sensor of the network adapter passed its limit.',
  advice: 'Look at the cooling of the adapter and its transceivers.',
});

const REFUSED: Verdict = note(
  'Network adapter refused a register',
  'The firmware of the network adapter does not know a register that its driver read; harmless.',
);

const FIRMWARE: Verdict = ours({
  action: 'drain',
  severity: 'warning',
  blame: 'host',
  title: 'Network adapter firmware does not answer',
  meaning: 'The driver of the network adapter gets no answer of its firmware.',
  advice: 'Drain the node and reboot it; have the adapter changed if it comes back.',
});
