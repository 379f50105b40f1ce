package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

var numbers = map[string]uint32{
	"bpf": unix.SYS_BPF, "perf_event_open": unix.SYS_PERF_EVENT_OPEN,
	"process_vm_readv": unix.SYS_PROCESS_VM_READV, "execve": unix.SYS_EXECVE,
}

// refuse makes the named system calls fail with EPERM, in this process and all that it starts, as the
// seccomp profiles of container runtimes do. The architecture is not checked: nobody here tries
// to get around it.
func refuse(calls string) {
	if calls == "" {
		return
	}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // seccomp_data.nr
	for _, name := range strings.Split(calls, ",") {
		nr, ok := numbers[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such system call:", name)
			os.Exit(2)
		}
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // both calls are the thread's; the second tells the others
	defer runtime.UnlockOSThread()
	run.Check(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	// SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, 1, 1, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		run.Check(errno)
	}
}
