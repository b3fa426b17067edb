import { pciKey } from '../contract/pci.ts';
import {
  FIRMWARE_BOOT,
  FIRMWARE_FILES,
  GSP_CRASHED,
  GSP_SILENT,
  GSP_UNANSWERED,
  INIT_FAILED,
  INTERRUPTS,
  LOST,
  MISMATCH,
  NO_GPU,
  NVLINK_DEGRADED,
  NVLINK_DRIVER,
  OPEN_MODULES,
  PCI_RESOURCES,
  PMU_HALTED,
  POWER_CABLES,
  PROBE,
  REBOOT_REQUIRED,
  RESET_REQUIRED,
  RESUME_FAILED,
  WATCHDOG,
} from './driver-verdicts.ts';
import { note } from './plain-verdict.ts';
import { type Line, line, type Verdict } from './verdict.ts';

/** What the driver says in words, without a number. */
interface Words {
  readonly kind: string;
  readonly says: RegExp;
  readonly verdict: Verdict;
  readonly rank: number;
  /** It belongs to the failure beside it and is none alone. */
  readonly companion?: true;
}

const DETAIL = note('Detail of a driver failure', 'A detail of the failure beside it.');

/**
 * Texts of open-gpu-kernel-modules 595.45.04 (nv.c, osinit.c, kernel_gsp.c, kernel_gsp_tu102.c,
 * kern_gpu_tu102.c, kern_fsp*.c, kernel_rc_watchdog.c, gpu_suspend.c, nv_gpu_ops.c, nvstatuscodes.h)
 * and of real logs, the gravest first. Assertions that say nothing of these stay quiet.
 */
const TABLE: readonly Words[] = [
  {
    kind: 'gsp_detail',
    says: /^(?:rpcSendMessage|RPC) failed with status 0x0*(?:f|62)\b|^Failed to process received event/i,
    verdict: DETAIL,
    rank: 3,
    companion: true,
  },
  {
    kind: 'os_reboot_required',
    says: /\brequiring os reboot\b/i,
    verdict: REBOOT_REQUIRED,
    rank: 63,
  },
  {
    kind: 'gpu_lost',
    says: /\bGPU lost from the bus\b|\bNV_ERR_GPU_IS_LOST\b|^GPU is lost, skipping |\bGPU\b.*\bhas fallen off the bus\b/,
    verdict: { ...LOST, confidence: 'medium' },
    rank: 97,
  },
  {
    kind: 'gpu_reset_required',
    says: /\bReset required \[|\bNV_ERR_RESET_REQUIRED\b|\b(?:GPU marked|marking GPU\d*) for reset\b|^\(the GPU (?:is likely|may be) in a bad state/i,
    verdict: RESET_REQUIRED,
    rank: 56,
  },
  { kind: 'rc_watchdog', says: /\bGPU is probably locked\b/, verdict: WATCHDOG, rank: 52 },
  {
    kind: 'gsp_crashed',
    says: /\bGSP-CrashCat Report\b|\bLibOS Task Watchdog Report\b|^GSP-RM entered into ICD|^Received signal from GSP to trigger bugcheck/,
    verdict: GSP_CRASHED,
    rank: 65,
  },
  { kind: 'pmu_halted', says: /\bPMU has halted\b/, verdict: PMU_HALTED, rank: 64 },
  {
    kind: 'gsp_silent',
    says: /\b(?:GSP RM |LibOS )?heartbeat timed out\b|\bGSP(?:-RM| core) unresponsive\b/i,
    verdict: GSP_SILENT,
    rank: 65,
  },
  {
    kind: 'gsp_unanswered',
    says: /\brpcRecvPoll (?:timed ?out|failed with status 0x0*65\b)|\bsanity check failed 0x[0-9a-f]+ waiting for RPC response/i,
    verdict: GSP_UNANSWERED,
    rank: 54,
  },
  {
    kind: 'gsp_detail',
    says: /^rpc\w+ (?:async )?failed with status|^Slow RPC response|\bGSP-RM is slow\b|\*{4,} GSP Timeout \*/i,
    verdict: DETAIL,
    rank: 3,
    companion: true,
  },
  {
    kind: 'firmware_boot_failed',
    says: /\bfailed to wait for GFW|\bfailed to halt with GFW_BOOT|^FSP (?:secure boot (?:partition timed out|GSP prechecks failed)|boot cmds failed|command timed out|async command timed out)|^Preparing FSP boot cmds failed|\bFSP fuse error check has failed|\bNV_ERR_SECURE_BOOT_FAILED\b/,
    verdict: FIRMWARE_BOOT,
    rank: 62,
  },
  {
    kind: 'gsp_boot_failed',
    says: /^Max GSP-RM boot attempts exceeded|^Failed to boot GSP\b|\bfailed to execute Booter Load\b/,
    verdict: INIT_FAILED,
    rank: 61,
  },
  {
    kind: 'firmware_files',
    says: /^No firmware image found|^need firmware to initialize GSP|^\S+ version unknown or malformed, expected version/,
    verdict: FIRMWARE_FILES,
    rank: 59,
  },
  {
    kind: 'firmware_mismatch',
    says: /^\S+ version mismatch: got version \S+, expected version/,
    verdict: MISMATCH,
    rank: 59,
  },
  {
    kind: 'resume_failed',
    says: /^GSP (?:boot|boot preparation|unload) failed at (?:resume|suspend)|^GPU is unable to transition from GC6|^Timeout waiting for GPU to appear on the bus|^Timeout polling GPU back on bus|^Polling BAR0 or BAR firewall timeout/,
    verdict: RESUME_FAILED,
    rank: 60,
  },
  {
    kind: 'power_cables',
    says: /\bGPU does not have the necessary power cables connected\b/,
    verdict: POWER_CABLES,
    rank: 61,
  },
  {
    // The end of a message whose beginning, which names the GPU, is lost.
    kind: 'open_modules_needed',
    says: /^installed in this system requires use of the NVIDIA open kernel modules/,
    verdict: OPEN_MODULES,
    rank: 61,
  },
  {
    kind: 'rm_init_words',
    says: /^Cannot initialize GSP firmware RM|^failed to wait for bar firewall to lower|^Failing GPU (?:PreInit|Init|PreLoad|Load|PostLoad) for Engine|^GPU is detached, bailing/,
    verdict: INIT_FAILED,
    rank: 56,
  },
  {
    kind: 'pci_resources',
    says: /^This PCI I\/O region assigned to your NVIDIA device is invalid|^Can't find an IRQ for your NVIDIA card|^request_mem_region failed for/,
    verdict: PCI_RESOURCES,
    rank: 37,
  },
  {
    kind: 'no_gpu_found',
    says: /^No NVIDIA (?:graphics adapter|GPU|PCI devices|devices) (?:probed|found)|^No NVIDIA GPU found/,
    verdict: NO_GPU,
    rank: 33,
  },
  {
    kind: 'probe_failed',
    says: /^None of the NVIDIA (?:graphics adapters|devices) were initialized/,
    verdict: PROBE,
    rank: 33,
  },
  {
    kind: 'nvlink_driver',
    says: /^NVLink core init failed|^NVSwitch init failed/,
    verdict: NVLINK_DRIVER,
    rank: 22,
  },
  {
    kind: 'nvlink_degraded',
    says: /\bTriggering Degraded Mode\b|\bThis will lead to NVLINK Degradation\b/,
    verdict: NVLINK_DEGRADED,
    rank: 60,
  },
  {
    kind: 'interrupts',
    says: /^Going over RM unhandled interrupt threshold/,
    verdict: INTERRUPTS,
    rank: 16,
  },
];

/** The printing function, and from R575 on the GPU, stand before the words. */
const HEAD = /^(?:GPU(\d{1,3}) )?(?:(\w{3,80}): )?/;

const ADDRESS = /\b[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?\b/i;

/** Reads a message, without `NVRM:` and on one line; undefined where no words are known. */
export function parseDriverWords(flat: string): Line | undefined {
  const head = HEAD.exec(flat);
  const rest = head ? flat.slice(head[0].length) : flat;
  const words = TABLE.find(({ says }) => says.test(rest));
  if (!words) return undefined;
  const { kind, verdict, rank, companion } = words;
  const [address] = ADDRESS.exec(flat) ?? [];
  return line({
    kind,
    pci: address === undefined ? null : (pciKey(address) ?? null),
    rank,
    role: companion ? 'companion' : 'event',
    details: {
      gpu_index: head?.[1] === undefined ? null : Number(head[1]),
      detail: flat.slice(0, 512),
    },
    verdict,
  });
}
