package proc

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

// FuzzStat reads what the kernel says about a process that named itself.
func FuzzStat(f *testing.F) {
	fields := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"
	f.Add([]byte("7 (x)"+fields), []byte("Name:\tx\nUid:\t0\t7\nNSpid:\t9\t1\nCpus_allowed_list:\t0-3,8\n"))
	f.Add([]byte("7 (x) R 1) (y)"+fields), []byte("Uid:\nNSpid:\t99999999999\nCpus_allowed_list:\t3-0\n"))
	f.Add([]byte("7 (x)"+strings.Repeat(" 18446744073709551615", 1<<12)),
		[]byte("Cpus_allowed_list:\t"+strings.Repeat("0-65535,", 1<<12)+"1\n"))
	f.Add(bytes.Repeat([]byte(")"), 1<<16), bytes.Repeat([]byte("\n"), 1<<16))
	f.Fuzz(func(t *testing.T, line, status []byte) {
		cost.Small.Hold(t, func() {
			st, err := parseStat(line)
			if err != nil && (!errors.Is(err, errStat) || st != (stat{})) {
				t.Fatalf("%+v, %v", st, err)
			}
			if n, err := parseCPUs(status); err == nil && n < 1 {
				t.Fatalf("%d CPUs", n)
			}
			if pid := innerPID(status, 7); pid < 1 {
				t.Fatalf("pid %d", pid)
			}
			if uid, err := parseUID(status); err == nil && uid < 0 {
				t.Fatalf("user %d", uid)
			}
		})
	})
}
