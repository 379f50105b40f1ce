package proc

import (
	"bytes"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/elastic/go-seccomp-bpf/arch"
)

// callNames are the names of this architecture's system calls, by number.
var callNames = sync.OnceValue(func() []string {
	info, err := arch.GetInfo(runtime.GOARCH)
	if err != nil {
		return nil
	}
	names := make([]string, slices.Max(slices.Collect(maps.Keys(info.SyscallNumbers)))+1)
	for n, name := range info.SyscallNumbers {
		names[n] = name
	}
	return names
})

// CallName names a system call: "fsync". It is "" for a number below 0, which is none, and the
// number itself where there is no name for it.
func CallName(nr int) string {
	names := callNames()
	switch {
	case nr < 0:
		return ""
	case nr < len(names) && names[nr] != "":
		return names[nr]
	}
	return strconv.Itoa(nr)
}

// Call is the number of the system call that a thread is blocked in, -1 if it is in none, or in one
// that does not block, or that cannot be known.
func (p *Process) Call(tid uint32) int {
	text, err := p.read("task/" + strconv.Itoa(int(tid)) + "/syscall")
	first, _, _ := bytes.Cut(text, []byte(" "))
	nr, bad := strconv.Atoi(string(first)) // "running" of a thread on a CPU
	if err != nil || bad != nil || nr > 1<<16 {
		return -1
	}
	return nr
}
