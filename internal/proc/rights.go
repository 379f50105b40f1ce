package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Rights is what this process may do on this host: effective capabilities and the sysctls that
// matter to a profiler. A sysctl that the kernel does not have is -1.
type Rights struct {
	CapBPF, CapPerfmon, CapSysPtrace, CapSyslog, CapSysAdmin, CapSysResource bool

	PerfEventParanoid int // kernel.perf_event_paranoid
	KptrRestrict      int // kernel.kptr_restrict
	YamaScope         int // kernel.yama.ptrace_scope

	Kernel string // release, as uname -r prints it
	BTF    bool   // /sys/kernel/btf/vmlinux is there
}

// Capability numbers of include/uapi/linux/capability.h.
const (
	capSysPtrace   = 19
	capSysAdmin    = 21
	capSysResource = 24
	capSyslog      = 34
	capPerfmon     = 38
	capBPF         = 39
)

// HostRights reads the rights of this process. Outside Linux the error wraps
// errors.ErrUnsupported.
func HostRights() (Rights, error) {
	if runtime.GOOS != "linux" {
		return Rights{}, fmt.Errorf("proc: rights: %w", errors.ErrUnsupported)
	}
	r, err := rightsIn(defaultRoot)
	_, berr := os.Stat("/sys/kernel/btf/vmlinux")
	r.BTF = berr == nil
	return r, err
}

func rightsIn(root string) (Rights, error) {
	b, err := os.ReadFile(filepath.Join(root, "self", "status"))
	if err != nil {
		return Rights{}, fmt.Errorf("proc: rights: %w", err)
	}
	caps, err := parseCaps(b)
	if err != nil {
		return Rights{}, fmt.Errorf("proc: %s: %w", filepath.Join(root, "self", "status"), err)
	}
	has := func(n uint) bool { return caps>>n&1 != 0 }
	r := Rights{
		CapBPF: has(capBPF), CapPerfmon: has(capPerfmon), CapSysPtrace: has(capSysPtrace),
		CapSyslog: has(capSyslog), CapSysAdmin: has(capSysAdmin), CapSysResource: has(capSysResource),
		PerfEventParanoid: sysctl(root, "perf_event_paranoid"),
		KptrRestrict:      sysctl(root, "kptr_restrict"),
		YamaScope:         yamaScope(root),
	}
	rel, _ := os.ReadFile(filepath.Join(root, "sys", "kernel", "osrelease"))
	r.Kernel = strings.TrimSpace(string(rel))
	return r, nil
}

// parseCaps returns the effective capabilities of a status file.
func parseCaps(b []byte) (uint64, error) {
	v, ok := statusLine(b, "CapEff:")
	if !ok {
		return 0, errors.New("no CapEff line")
	}
	return strconv.ParseUint(string(bytes.TrimSpace(v)), 16, 64)
}
