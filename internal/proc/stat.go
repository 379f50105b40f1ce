package proc

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"
)

// stat holds the fields of /proc/PID/stat that we use (proc_pid_stat(5)).
type stat struct {
	state   byte
	threads uint64
	cpu     time.Duration // user and system time of all threads, dead ones too
	waited  time.Duration // the same of children that were waited for, and of theirs
	start   uint64        // ticks since boot
	kernel  bool          // a thread of the kernel
	bare    bool          // there is no program in its memory
}

var (
	errStat   = errors.New("malformed stat line")
	errStatus = errors.New("no Uid line")
)

// userHZ is the unit of the times in /proc/PID/stat: sysconf(_SC_CLK_TCK), which Linux fixes at
// 100 for user space on amd64 and arm64, whatever the tick of the kernel is.
const userHZ = 100

// dead reports whether the process has ended and only waits to be reaped. A main thread that
// left while others still run is a zombie too, but the process lives.
func (s stat) dead() bool {
	return (s.state == 'Z' || s.state == 'X') && s.threads <= 1
}

// kthread is PF_KTHREAD among the flags of field 9 (kernel, include/linux/sched.h).
const kthread = 0x00200000

// parseStat parses /proc/PID/stat. The second field, the name, is chosen by the process and may
// contain blanks and parentheses: the fields start after the last ')'.
func parseStat(b []byte) (stat, error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return stat{}, errStat
	}
	f := bytes.Fields(b[i+1:])
	if len(f) < 20 || len(f[0]) != 1 { // field 3 is f[0], so field 22 is f[19]
		return stat{}, errStat
	}
	var n [7]uint64
	for k, field := range [7]int{14, 15, 20, 22, 16, 17, 9} {
		v, err := strconv.ParseUint(string(f[field-3]), 10, 64)
		if err != nil {
			return stat{}, errStat
		}
		n[k] = v
	}
	cpu := time.Duration(n[0]+n[1]) * (time.Second / userHZ)
	waited := time.Duration(n[4]+n[5]) * (time.Second / userHZ)
	const code = 26 - 3 // where the program's code begins
	return stat{state: f[0][0], cpu: cpu, waited: waited, threads: n[2], start: n[3], kernel: n[6]&kthread != 0,
		bare: len(f) > code && string(f[code]) == "0"}, nil
}

// parseUID returns the effective user id of a /proc/PID/status file.
func parseUID(b []byte) (int, error) {
	v, ok := statusLine(b, "Uid:")
	f := bytes.Fields(v)
	if !ok || len(f) < 2 {
		return 0, errStatus
	}
	uid, err := strconv.ParseUint(string(f[1]), 10, 32)
	if err != nil {
		return 0, errStatus
	}
	return int(uid), nil
}

// innerPID returns the pid that a process has in its own PID namespace, the last one of its status file, and pid
// where the kernel does not tell (before 4.1).
func innerPID(b []byte, pid int) int {
	v, _ := statusLine(b, "NSpid:")
	if f := bytes.Fields(v); len(f) > 0 {
		if n, err := strconv.ParseUint(string(f[len(f)-1]), 10, 31); err == nil && n > 0 {
			return int(n)
		}
	}
	return pid
}

// parseCPUs counts the CPUs in a /proc/PID/status file, as in "0-3,8".
func parseCPUs(b []byte) (n int, err error) {
	v, ok := statusLine(b, "Cpus_allowed_list:")
	if !ok {
		return 0, errStatus
	}
	for list := range strings.SplitSeq(string(bytes.TrimSpace(v)), ",") {
		from, to, ok := strings.Cut(list, "-")
		if !ok {
			to = from
		}
		a, err := strconv.ParseUint(from, 10, 16)
		b, err2 := strconv.ParseUint(to, 10, 16)
		if err != nil || err2 != nil || b < a {
			return 0, errStatus
		}
		n += int(b-a) + 1
	}
	return n, nil
}

// statusLine returns what follows the given key in a /proc/PID/status file.
func statusLine(b []byte, key string) ([]byte, bool) {
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte(key)); ok {
			return v, true
		}
	}
	return nil, false
}
