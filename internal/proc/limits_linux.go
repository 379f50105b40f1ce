package proc

import (
	"bytes"
	"math"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// A control group of this process, and all above it, may have limits. Files of both versions of the kernel's interface
// are read (Documentation/admin-guide/cgroup-v2.rst; cgroup-v1/memory.rst, scheduler/sched-bwc.rst). In a container the
// group's own path is often not mounted: then the root of the mount is the container's group.

// CPUs is how much CPU time this process may use in a second: the machine's CPUs, or less by a quota of its control
// groups.
func CPUs() float64 { return min(float64(runtime.NumCPU()), quota("self")) }

// Quota is how many CPUs' time the control groups of the process allow it, 0 without a limit.
func (p *Process) Quota() float64 {
	if q := quota(strconv.Itoa(p.pid)); !math.IsInf(q, 1) {
		return q
	}
	return 0
}

func quota(process string) float64 {
	cpus := math.Inf(1)
	for _, dir := range groups(process, "cpu") {
		if quota, period, ok := strings.Cut(file(dir, "cpu.max"), " "); ok {
			cpus = min(cpus, ratio(quota, period))
		}
		cpus = min(cpus, ratio(file(dir, "cpu.cfs_quota_us"), file(dir, "cpu.cfs_period_us")))
	}
	return cpus
}

// ratio is +Inf where there is no quota: "max", -1, no file.
func ratio(quota, period string) float64 {
	q, err := strconv.ParseFloat(quota, 64)
	p, perr := strconv.ParseFloat(period, 64)
	if err != nil || perr != nil || q <= 0 || p <= 0 {
		return math.Inf(1)
	}
	return q / p
}

// MemoryLeft is how many bytes this process and those with it may take before the kernel kills one of them, by the
// limits of its control groups; math.MaxInt64 without a limit. Cached files do not count as taken: they go first.
func MemoryLeft() int64 {
	l := OpenMemoryLimits()
	defer l.Close()
	return l.Left(math.MaxInt64)
}

// MemoryLimits are the limits of memory that the control groups of this process have, for who asks again and again.
type MemoryLimits []memoryLimit

type memoryLimit struct {
	dir         string
	limit, used *os.File
}

// OpenMemoryLimits opens the limits that there are now.
func OpenMemoryLimits() MemoryLimits { return openLimits(groups("self", "memory")) }

func openLimits(dirs []string) (all MemoryLimits) {
	for _, dir := range dirs {
		g := memoryLimit{dir, first(dir, "memory.max", "memory.limit_in_bytes"), first(dir, "memory.current", "memory.usage_in_bytes")}
		if n, ok := number(g.limit); ok && n < 1<<60 { // version 1 has a large number for none
			all = append(all, g)
		} else {
			g.close()
		}
	}
	return all
}

// Left is what MemoryLeft is now. Cached files are looked for, which takes longer, if less than enough is left with them.
func (l MemoryLimits) Left(enough int64) int64 {
	left := int64(math.MaxInt64)
	for _, g := range l {
		limit, ok := number(g.limit)
		used, ok2 := number(g.used)
		if !ok || !ok2 {
			continue
		}
		n := limit - used
		if n < enough {
			n += cached(g.dir)
		}
		left = min(left, n)
	}
	return left
}

// Close closes the files.
func (l MemoryLimits) Close() {
	for _, g := range l {
		g.close()
	}
}

func (g *memoryLimit) close() {
	g.limit.Close()
	g.used.Close()
}

// first is the first of some files that is there, or nil.
func first(dir string, names ...string) *os.File {
	for _, name := range names {
		if f, err := os.Open(path.Join(dir, name)); err == nil {
			return f
		}
	}
	return nil
}

// number is what a file of the kernel's says now.
func number(f *os.File) (int64, bool) {
	var b [32]byte
	n, _ := f.ReadAt(b[:], 0)
	v, err := strconv.ParseInt(string(bytes.TrimSpace(b[:max(n, 0)])), 10, 64)
	return v, err == nil
}

// cached is the size of cached files that nothing needs just now.
func cached(dir string) int64 {
	for line := range strings.Lines(file(dir, "memory.stat")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && (key == "inactive_file" || key == "total_inactive_file") {
			return n
		}
	}
	return 0
}

// groups are the folders of a process's control group with a controller, and of those above it.
func groups(process, controller string) (dirs []string) {
	text, err := os.ReadFile(path.Join("/proc", process, "cgroup"))
	if err != nil {
		return nil
	}
	return groupFolders(text, controller)
}

// groupFolders are those that a cgroup file of /proc names. A group outside of our own cgroup namespace, as that of another container is
// for us, begins with "/..": what we have mounted has none of its limits, and at its root our own.
func groupFolders(text []byte, controller string) (dirs []string) {
	for line := range bytes.Lines(text) { // 0::/a/b, or 4:memory:/a/b
		f := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(f) != 3 || strings.HasPrefix(f[2], "/..") {
			continue
		}
		root := "/sys/fs/cgroup"
		if f[1] != "" {
			if !strings.Contains(","+f[1]+",", ","+controller+",") {
				continue
			}
			root = path.Join(root, controller)
		}
		for at := path.Clean("/" + f[2]); ; at = path.Dir(at) {
			dirs = append(dirs, path.Join(root, at))
			if at == "/" {
				break
			}
		}
	}
	return dirs
}

func file(dir, name string) string {
	b, err := os.ReadFile(path.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
