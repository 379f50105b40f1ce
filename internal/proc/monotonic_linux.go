package proc

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Monotonic is the kernel's CLOCK_MONOTONIC in ns, by which eBPF programs and perf events tell the time. In a time
// namespace processes are told another one (time_namespaces(7)). It makes no system call but the first time.
func Monotonic() int64 {
	o := origin()
	return o.ns + int64(time.Since(o.time))
}

// TimeOffset is what the time namespace of this process adds to the kernel's CLOCK_MONOTONIC, in ns.
var TimeOffset = sync.OnceValue(func() int64 { return timeOffset("/proc/self") })

// TimeOffset is what the time namespace of the process adds to the kernel's CLOCK_MONOTONIC, in ns; 0 where nobody
// says.
func (p *Process) TimeOffset() int64 { return timeOffset(p.path()) }

// origin is one moment on both clocks.
var origin = sync.OnceValue(func() (at struct {
	time time.Time
	ns   int64
}) {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	at.time, at.ns = time.Now(), ts.Nano()-TimeOffset()
	return at
})

// timeOffset reads that of the process with the given folder. The file tells of the namespace that its children will be in, which
// is another one for who called unshare(2).
func timeOffset(dir string) int64 {
	own, err := os.Readlink(dir + "/ns/time")
	if its, er := os.Readlink(dir + "/ns/time_for_children"); err != nil || er != nil || its != own {
		return 0
	}
	b, err := os.ReadFile(dir + "/timens_offsets")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var clock string
		var s, ns int64
		if n, _ := fmt.Sscan(line, &clock, &s, &ns); n == 3 && clock == "monotonic" {
			return s*int64(time.Second) + ns
		}
	}
	return 0
}
