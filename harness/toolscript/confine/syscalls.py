"""Decides which number a system call has on each processor that can be confined."""

from __future__ import annotations

import os
import sys

_TABLE = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 close:3:57 fstat:5:80
newfstatat:262:79 lseek:8:62 mmap:9:222 mprotect:10:226 munmap:11:215 brk:12:214 mremap:25:216 madvise:28:233
mincore:27:232 msync:26:227 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139
rt_sigtimedwait:128:137 sigaltstack:131:132 ioctl:16:29 fcntl:72:25 flock:73:32 fsync:74:82 fdatasync:75:83
truncate:76:45 ftruncate:77:46 fallocate:285:47 dup:32:23 dup3:292:24 pipe2:293:59 openat:257:56
openat2:437:437 close_range:436:436 getdents64:217:61 readlinkat:267:78 faccessat:269:48 faccessat2:439:439
statx:332:291 mkdirat:258:34 mknodat:259:33 unlinkat:263:35 symlinkat:266:36 linkat:265:37 renameat:264:38
renameat2:316:276 fchmod:91:52 fchmodat:268:53 fchown:93:55 fchownat:260:54 utimensat:280:88 chdir:80:49
fchdir:81:50 getcwd:79:17 umask:95:166 poll:7:- ppoll:271:73 select:23:- pselect6:270:72 epoll_create1:291:20
epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 eventfd2:290:19 signalfd4:289:74
timerfd_create:283:85 timerfd_settime:286:86 inotify_init1:294:26 fanotify_init:300:262 sched_yield:24:124
nanosleep:35:101 clock_nanosleep:230:115 clock_gettime:228:113 clock_getres:229:114 gettimeofday:96:169
time:201:- clock_settime:227:112 getitimer:36:102 setitimer:38:103 timer_create:222:107 timer_settime:223:110
getpid:39:172 getppid:110:173 gettid:186:178 getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177
getgroups:115:158 setuid:105:146 setgid:106:144 setresuid:117:147 setresgid:119:149 setgroups:116:159
setsid:112:157 setpgid:109:154 getrusage:98:165 sysinfo:99:179 uname:63:160 getrandom:318:278 getcpu:309:168
times:100:153 socket:41:198 socketpair:53:199 bind:49:200 connect:42:203 listen:50:201 accept:43:202
accept4:288:242 sendto:44:206 recvfrom:45:207 sendmsg:46:211 recvmsg:47:212 sendmmsg:307:269 recvmmsg:299:243
shutdown:48:210 getsockname:51:204 getpeername:52:205 setsockopt:54:208 getsockopt:55:209 clone:56:220
clone3:435:435 fork:57:- vfork:58:- execve:59:221 execveat:322:281 exit:60:93 exit_group:231:94 wait4:61:260
waitid:247:95 kill:62:129 tkill:200:130 tgkill:234:131 rt_sigqueueinfo:129:138 rt_tgsigqueueinfo:297:240
pidfd_open:434:434 pidfd_send_signal:424:424 pidfd_getfd:438:438 futex:202:98 futex_waitv:449:449
set_tid_address:218:96 set_robust_list:273:99 get_robust_list:274:100 rseq:334:293 membarrier:324:283
arch_prctl:158:- prctl:157:167 seccomp:317:277 prlimit64:302:261 getrlimit:97:163 setrlimit:160:164
restart_syscall:219:128 io_setup:206:0 io_submit:209:2 io_uring_setup:425:425 io_uring_enter:426:426
io_uring_register:427:427 ptrace:101:117 process_vm_readv:310:270 process_vm_writev:311:271
process_madvise:440:440 kcmp:312:272 perf_event_open:298:241 bpf:321:280 userfaultfd:323:282
memfd_create:319:279 memfd_secret:447:447 personality:135:92 mount:165:40 umount2:166:39 pivot_root:155:41
chroot:161:51 unshare:272:97 setns:308:268 open_tree:428:428 move_mount:429:429 fsopen:430:430 fsmount:432:432
fsconfig:431:431 fspick:433:433 mount_setattr:442:442 quotactl:179:60 swapon:167:224 swapoff:168:225
init_module:175:105 finit_module:313:273 delete_module:176:106 kexec_load:246:104 kexec_file_load:320:294
reboot:169:142 syslog:103:116 acct:163:89 settimeofday:164:170 adjtimex:159:171 clock_adjtime:305:266
sethostname:170:161 setdomainname:171:162 iopl:172:- ioperm:173:- keyctl:250:219 add_key:248:217
request_key:249:218 name_to_handle_at:303:264 open_by_handle_at:304:265 landlock_create_ruleset:444:444
landlock_add_rule:445:445 landlock_restrict_self:446:446 capget:125:90 capset:126:91
vhangup:153:58 open:2:- stat:4:- lstat:6:-
access:21:- pipe:22:- dup2:33:- unlink:87:- rename:82:- mkdir:83:- rmdir:84:- link:86:- symlink:88:-
chmod:90:- chown:92:- readlink:89:- creat:85:- getdents:78:-
"""
# name : x86_64 : aarch64, after the kernel's uapi headers; a dash where a processor has no such call.

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""What a filter sees as the calling convention of each processor."""

X32_BIT = 0x40000000
"""Set in the number of a call made through x86-64's second, x32, calling convention."""


def _numbers(column: int) -> dict[str, int]:
    rows = (entry.split(":") for entry in _TABLE.split())
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


_NUMBERS = {"x86_64": _numbers(1), "aarch64": _numbers(2)}


def machine() -> str | None:
    """Return this processor's name as used here, or None where calls cannot be filtered."""
    if sys.platform == "win32":
        return None
    name = os.uname().machine
    name = {"amd64": "x86_64", "arm64": "aarch64"}.get(name.lower(), name)
    return name if name in _NUMBERS else None


def known() -> frozenset[str]:
    """Return the names that any processor knows."""
    return frozenset().union(*_NUMBERS.values())


def number(name: str, arch: str) -> int | None:
    """Return the call's number, or None where this processor has no such call. Raises KeyError for no call at all."""
    found = _NUMBERS[arch].get(name)
    if found is None and name not in known():
        raise KeyError(name)
    return found
