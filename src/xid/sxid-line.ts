import { pciKey } from '../contract/pci.ts';
import { ours } from './plain-verdict.ts';
import { sxidVerdict } from './sxid-catalogue.ts';
import { type Line, line } from './verdict.ts';

const ENVELOPE =
  /^nvidia-(nvswitch\d{1,3}): SXid \(PCI:([0-9a-f]{4,8}:[0-9a-f]{1,2}:[0-9a-f]{1,2}(?:\.([0-7]))?)\): (\d{5})(?:,\s*|\s*$)/i;
const COMPANION =
  /^Severity (\d+) Engine instance (\d+) Sub-engine instance (\d+)|^Data \{([^}]*)\}?/;

/** Above an application's fault, below a lost GPU: 20034 is nearly always a symptom. */
const RANK_FATAL = 55;
const RANK_ALWAYS_FATAL = 73;

/**
 * Reads `nvidia-nvswitchN: SXid (PCI:dddd:bb:dd.f): NNNNN, ...` and its companions, which repeat
 * the number and are never counted. Form: open-gpu-kernel-modules 595.45.04.
 */
export function parseSxidLine(message: string): Line | undefined {
  const found = ENVELOPE.exec(message);
  if (!found) return undefined;
  const [whole, device, address = '', fn, digits = ''] = found;
  const sxid = Number(digits);
  const text = message.slice(whole.length).trim();
  const base = {
    pci: pciKey(address) ?? null,
    sxid,
  };
  const place = {
    pci_raw: address,
    function: fn === undefined ? null : Number(fn),
    device,
    detail: text.slice(0, 512),
  };
  const companion = COMPANION.exec(text);
  if (companion) {
    const verdict = sxidVerdict(sxid, null);
    return line({
      ...base,
      kind: 'sxid_detail',
      role: 'companion',
      rank: 0,
      details: { ...place, ...companionFacts(companion) },
      verdict: { ...verdict, action: 'none', severity: 'info', advice: 'See the line before it.' },
    });
  }
  const facts = textFacts(text);
  const verdict = sxidVerdict(sxid, facts.severity);
  return line({
    ...base,
    kind: 'sxid',
    rank:
      verdict.severity !== 'critical'
        ? 13
        : verdict.action === 'reset_gpu'
          ? RANK_FATAL
          : RANK_ALWAYS_FATAL,
    details: { ...place, ...facts },
    verdict,
  });
}

function companionFacts([, severity, engine, subEngine, data]: RegExpExecArray) {
  if (data !== undefined) {
    return {
      data: data
        .split(/,\s*/)
        .filter(word => /^0x[0-9a-f]+$/i.test(word))
        .slice(0, 32),
    };
  }
  return {
    severity: Number(severity),
    engine_instance: Number(engine),
    sub_engine_instance: Number(subEngine),
  };
}

/** `Fatal, Link 48 LTSSM Fault Up (First)`, `Non-fatal, TEXT, instance=1, chiplet=2`, free text. */
function textFacts(text: string) {
  const word = /^(Fatal|Non-fatal|Correctable)\b,?\s*/.exec(text);
  const rest = word ? text.slice(word[0].length) : text;
  const link = /^Link (\d{1,3})\s*/.exec(rest);
  const body = link ? rest.slice(link[0].length) : rest;
  const first = body.endsWith('(First)');
  const instance = /,\s*instance=(\d+)/.exec(body);
  const chiplet = /,\s*chiplet=(\d+)/.exec(body);
  return {
    severity: word?.[1] ?? null,
    link: link ? Number(link[1]) : null,
    text: first ? body.slice(0, -'(First)'.length).trimEnd() : body,
    first,
    ...(instance ? { instance: Number(instance[1]) } : {}),
    ...(chiplet ? { chiplet: Number(chiplet[1]) } : {}),
  };
}

/**
 * Fabric Manager compares its version with that of the loaded driver, logs this and ends where they differ:
 * NVIDIA/gpu-driver-container issue 735; siderolabs/pkgs issue 720.
 */
export function parseVersionsDiffer(message: string): Line | undefined {
  const found =
    /\bfabric manager NVIDIA GPU driver interface version (\d{3}\.[\d.]{2,16}) don't match with driver version (\d{3}\.[\d.]{2,16}?)\.?(?: |$)/.exec(
      message,
    );
  if (!found) return undefined;
  const [, own = '', driver = ''] = found;
  return line({
    kind: FABRIC_MANAGER_VERSION,
    rank: 12,
    details: { own, driver },
    verdict: ours({
      action: 'fix_configuration',
      severity: 'info',
      blame: 'configuration',
      confidence: 'high',
      title: 'Fabric Manager ended beside a driver of another version',
      meaning:
        'It compares its version with that of the loaded driver, and ends where they differ.',
      advice: 'Install Fabric Manager of exactly the version of the driver, and hold both at it.',
      source: 'Fabric Manager’s own log',
    }),
  });
}

export const FABRIC_MANAGER_VERSION = 'fabric_manager_version';

/**
 * Fabric Manager's own log: `detected NVSwitch non-fatal error 12028 on fid 0 on NVSwitch pci bus
 * id 00000000:86:00.0 physical id 3 port 61`. It repeats what the kernel printed.
 */
export function parseFabricManagerLine(message: string): Line | undefined {
  const found =
    /detected NVSwitch (fatal|non-fatal|correctable) error (\d{5})\b(?: on fid (\d+))?(?: on NVSwitch pci bus id ([0-9a-f:.]+))?(?: physical id (\d+))?(?: port (\d+))?/i.exec(
      message,
    );
  if (!found) return undefined;
  const [, word = '', digits, fid, address = '', physical, port] = found;
  const sxid = Number(digits);
  const printed =
    word[0] === undefined ? null : word[0].toUpperCase() + word.slice(1).toLowerCase();
  return line({
    kind: 'fabric_manager',
    pci: pciKey(address) ?? null,
    sxid,
    rank: 12,
    details: {
      pci_raw: address === '' ? null : address,
      severity: printed,
      fid: fid === undefined ? null : Number(fid),
      physical_id: physical === undefined ? null : Number(physical),
      link: port === undefined ? null : Number(port),
    },
    verdict: sxidVerdict(sxid, printed),
  });
}
