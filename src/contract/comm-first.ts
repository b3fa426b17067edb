/**
 * Messages of the kernel that begin with the name of a process, which the process chose: up to 15
 * bytes of anything (PR_SET_NAME), then what the kernel says of it. Sources: show_signal and
 * do_general_protection (arch/x86), oom_kill.c, page_alloc.c, block/blk-core.c, kernel/exit.c,
 * kernel/signal.c, kernel/locking/lockdep.c, kernel/sched/core.c before Linux 5.11.
 */
const COMM_FIRST =
  /^.{1,15}(?:\[\d{1,8}\](?::| (?:general protection|trap |bad frame|vsyscall|invalid |exceeded|unhandled|overflowed ))| ?\(\d{1,8}\)(?::| used greatest| is | uses? )| \(pid \d{1,8}\)|\/\d{1,8} (?:is |just )| invoked oom-killer: | uses (?:obsolete|deprecated|32-bit)|: (?:potentially unexpected|Corrupted page table|page allocation failure|attempt to access beyond|vmalloc (?:error|size)|page_alloc)| +[RSDTtXZPIKWN] +(?:running task |stopped |\d+ +\d+ ))/s;

/** True where the message begins with a name that its process chose. */
export const beginsWithComm = (message: string): boolean => COMM_FIRST.test(message);

/**
 * Messages that begin with text which somebody chose and end in the kernel's own words: a name of a
 * process, a prefix of iptables' or nft's LOG (and what it tells of a packet), the source of a mount.
 * A process's name of 15 bytes cannot hold these endings.
 */
const FOREIGN_ENDINGS =
  / ?IN=\S* OUT=\S* (?:.*\bSRC=\S+ DST=|ARP HTYPE=|.*\bMACPROTO=)|: Can't (?:open|lookup) blockdev\s*$/;

export const beginsForeign = (message: string): boolean =>
  beginsWithComm(message) || FOREIGN_ENDINGS.test(message);
