package proc

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// IdleTime is for how long the given CPUs have been idle since the host has started, all together, in steps of 10 ms for
// each: their columns idle and iowait of /proc/stat (proc_stat(5)).
func IdleTime(cpus []int) (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("proc: %w", err)
	}
	return idleTime(b, cpus)
}

func idleTime(stat []byte, cpus []int) (sum time.Duration, err error) {
	missing := make(map[string]bool)
	for _, cpu := range cpus {
		missing["cpu"+strconv.Itoa(cpu)] = true
	}
	for s := bufio.NewScanner(bytes.NewReader(stat)); len(missing) > 0 && s.Scan(); {
		f := bytes.Fields(s.Bytes())
		if len(f) < 6 || !missing[string(f[0])] {
			continue
		}
		delete(missing, string(f[0]))
		for _, ticks := range f[4:6] { // idle, iowait
			n, err := strconv.ParseInt(string(ticks), 10, 52)
			if err != nil {
				return 0, fmt.Errorf("proc: /proc/stat: %s: %w", f[0], err)
			}
			sum += time.Duration(n) * (time.Second / userHZ)
		}
	}
	if len(missing) > 0 {
		return 0, fmt.Errorf("proc: /proc/stat: no idle time of %d CPUs", len(missing))
	}
	return sum, nil
}
