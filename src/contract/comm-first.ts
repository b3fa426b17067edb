/**
 * Messages of the kernel that begin with the name of a process, which the process chose: up to 15
 * bytes of anything (PR_SET_NAME), then what the kernel says of it. Sources: show_signal and
 * do_general_protection (arch/x86), oom_kill.c, page_alloc.c, block/blk-core.c, kernel/exit.c,
 * kernel/sched/core.c before Linux 5.11.
 */
const COMM_FIRST =
  /^.{1,15}(?:\[\d{1,8}\](?::| (?:general protection|trap |bad frame|vsyscall|invalid |exceeded|unhandled))| ?\(\d{1,8}\)(?::| used greatest| is | uses? )| \(pid \d{1,8}\)| invoked oom-killer: | uses (?:obsolete|deprecated|32-bit)|: (?:potentially unexpected|page allocation failure|attempt to access beyond|vmalloc (?:error|size)|page_alloc)| +[RSDTtXZPIKWN] +(?:running task |stopped |\d+ +\d+ ))/s;

/** True where the message begins with a name that its process chose. */
export const beginsWithComm = (message: string): boolean => COMM_FIRST.test(message);
