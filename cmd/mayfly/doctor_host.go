package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// What a recording asks of the host. The kernel's rules behind the checks:
// bpf(2) and Documentation/admin-guide/perf-security.rst for the capabilities (CAP_SYS_ADMIN
// implies CAP_BPF and CAP_PERFMON: include/linux/capability.h), kernel/ksyms_common.c
// (kallsyms_show_value) for kernel addresses, Documentation/admin-guide/LSM/Yama.rst.
// What the kernel itself can do is tried out (host.ladder), whatever its version says.

const defaultRate = 999 // Hz, of mayfly record

// host is what the checks look at.
type host struct {
	os, arch  string
	rights    proc.Rights
	maxRate   int    // kernel.perf_event_max_sample_rate, -1 when absent
	lockdown  string // "none", "integrity", "confidentiality", "" when absent
	container string // "docker", "kubernetes" or "" when there is no sign of one
	exe       string // path of this executable
	ladder    []profiler.Rung
}

// thisHost reads the host that we run on. The error wraps errors.ErrUnsupported elsewhere than
// on Linux; the host is valid all the same.
func thisHost() (host, error) {
	h := host{os: runtime.GOOS, arch: runtime.GOARCH, maxRate: -1, exe: "mayfly"}
	if exe, err := os.Executable(); err == nil {
		h.exe = exe
	}
	rights, err := proc.HostRights()
	h.rights = rights
	if n := proc.MaxSampleRate(); n > 0 {
		h.maxRate = n
	}
	if b, err := os.ReadFile("/sys/kernel/security/lockdown"); err == nil {
		h.lockdown = bracketed(string(b))
	}
	h.container = container()
	h.ladder = profiler.Probe()
	return h, err
}

// bracketed returns the chosen one of "none [integrity] confidentiality".
func bracketed(s string) string {
	_, s, _ = strings.Cut(s, "[")
	s, _, _ = strings.Cut(s, "]")
	return s
}

// container tells from the files that engines leave in one.
func container() string {
	for _, sign := range []struct{ path, name string }{
		{"/var/run/secrets/kubernetes.io/serviceaccount", "kubernetes"},
		{"/.dockerenv", "docker"},
		{"/run/.containerenv", "docker"},
	} {
		if _, err := os.Stat(sign.path); err == nil {
			return sign.name
		}
	}
	return ""
}

// checks returns what is to be said of the host, in the order of how much hangs on it.
func (h host) checks() []check {
	if h.os != "linux" {
		return []check{{"system", missing, h.os + "/" + h.arch, "recording: it reads /proc and loads eBPF programs",
			"run mayfly record on Linux; compare, diff and report work here"}}
	}
	checks := []check{
		h.system(), h.kernel(), h.btf(),
		h.capability("CAP_BPF", h.rights.CapBPF || h.rights.CapSysAdmin, h.withoutBPF(), "no eBPF: "+h.instead()),
		h.capability("CAP_PERFMON", h.rights.CapPerfmon || h.rights.CapSysAdmin, h.withoutBPF(), "no timer events for eBPF: "+h.instead()),
		h.capability("CAP_SYS_PTRACE", h.rights.CapSysPtrace, limited, "only processes of your own user"),
		h.kernelSymbols(), h.paranoid(), h.yama(), h.sampleRate(),
	}
	if h.lockdown != "" && h.lockdown != "none" {
		checks = append(checks, h.locked())
	}
	return append(checks, h.engines()...)
}

// works says whether an engine does, as far as the host goes.
func (h host) works(e profiler.Engine) bool {
	return slices.ContainsFunc(h.ladder, func(r profiler.Rung) bool { return r.Engine == e && r.Err == nil })
}

// withoutBPF is how much is amiss when eBPF is.
func (h host) withoutBPF() status {
	if h.works(profiler.Perf) || h.works(profiler.Table) {
		return limited
	}
	return missing
}

// instead says what a recording does without eBPF.
func (h host) instead() string {
	switch {
	case h.works(profiler.Perf):
		return "on-CPU samples come from perf events, for processes of your own user (docs/engines.md: what they lack)"
	case h.works(profiler.Table):
		return "CPU time comes from the goroutine table, by label and without stacks"
	}
	return "no on-CPU samples"
}

// engines are the rungs of the ladder as checks: what was tried, and not what should be.
func (h host) engines() (checks []check) {
	for _, r := range h.ladder {
		c := check{Name: "engine " + string(r.Engine), Status: ok, Found: "works"}
		if r.Err != nil {
			c.Status, c.Found, c.Without = limited, printable.Line(r.Err.Error()), "the next engine is used, if it works"
			if h.withoutBPF() == missing && !h.works(profiler.EBPF) {
				c.Status, c.Without = missing, "nothing is recorded"
			}
		}
		checks = append(checks, c)
	}
	return checks
}

func (h host) system() check {
	c := check{Name: "system", Status: ok, Found: h.os + "/" + h.arch}
	if h.arch != "amd64" && h.arch != "arm64" {
		c.Status, c.Without, c.Remedy = missing, "recording: registers are known for amd64 and arm64 only", "record on one of these"
	}
	return c
}

func (h host) kernel() check { return check{Name: "kernel", Status: ok, Found: h.rights.Kernel} }

func (h host) btf() check {
	if h.rights.BTF {
		return check{Name: "BTF", Status: ok, Found: "/sys/kernel/btf/vmlinux"}
	}
	return check{"BTF", h.withoutBPF(), "/sys/kernel/btf/vmlinux is not there",
		"no eBPF, whose programs find the kernel's fields by it: " + h.instead(),
		"a kernel built with CONFIG_DEBUG_INFO_BTF=y (all large distributions), and /sys mounted"}
}

func (h host) capability(name string, has bool, otherwise status, without string) check {
	if has {
		return check{Name: name, Status: ok, Found: "effective"}
	}
	return check{name, otherwise, "not effective", without, h.remedies().fitting(h.container)}
}

// kernelSymbols follows kallsyms_show_value: at kptr_restrict 2 nobody sees addresses, below
// that who has CAP_SYSLOG, and at 0 anybody if perf_event_paranoid is 1 or less.
func (h host) kernelSymbols() check {
	r := h.rights
	c := check{Name: "kernel symbols", Status: ok,
		Found: fmt.Sprintf("kptr_restrict %s, CAP_SYSLOG %s", sysctl(r.KptrRestrict), effective(r.CapSyslog))}
	switch {
	case r.KptrRestrict >= 2:
		c.Remedy = "sudo sysctl kernel.kptr_restrict=1"
	case r.CapSyslog, r.KptrRestrict <= 0 && r.PerfEventParanoid <= 1:
		return c
	default:
		c.Remedy = h.remedies().fitting(h.container)
	}
	c.Status, c.Without = limited, "kernel frames are addresses without names"
	return c
}

// paranoid matters to those without CAP_PERFMON only, except on kernels with Debian's or
// Ubuntu's patch, where 3 and more may ask for CAP_SYS_ADMIN.
func (h host) paranoid() check {
	r := h.rights
	c := check{Name: "perf_event_paranoid", Status: ok, Found: sysctl(r.PerfEventParanoid)}
	switch {
	case r.PerfEventParanoid == -1 || r.CapSysAdmin || r.PerfEventParanoid <= 2 && r.CapPerfmon:
	case r.CapPerfmon:
		c.Status, c.Without = limited, "on kernels patched by Debian or Ubuntu, timer events need CAP_SYS_ADMIN at this level"
		c.Remedy = "sudo sysctl kernel.perf_event_paranoid=2"
	default:
		c.Found += ", counts because CAP_PERFMON is not effective"
	}
	return c
}

func (h host) yama() check {
	r := h.rights
	c := check{Name: "yama.ptrace_scope", Status: ok, Found: sysctl(r.YamaScope)}
	switch {
	case r.YamaScope == 3:
		c.Status, c.Without = limited, "no memory of other processes can be read: goroutine states and long labels are left out"
		c.Remedy = "set kernel.yama.ptrace_scope to 2 or less in /etc/sysctl.d and reboot"
	case r.YamaScope > 0 && !r.CapSysPtrace:
		c.Status, c.Without = limited, "only the memory of child processes can be read (mayfly record -- CMD)"
		c.Remedy = h.remedies().fitting(h.container)
		if r.YamaScope == 1 {
			c.Remedy += ", or sudo sysctl kernel.yama.ptrace_scope=0"
		}
	}
	return c
}

func (h host) sampleRate() check {
	c := check{Name: "perf_event_max_sample_rate", Status: ok, Found: sysctl(h.maxRate)}
	if h.maxRate >= 0 && h.maxRate < defaultRate {
		c.Status = limited
		c.Without = fmt.Sprintf("no more than %d samples a second and CPU, of the %d that record asks for", h.maxRate, defaultRate)
		c.Remedy = "sudo sysctl kernel.perf_event_max_sample_rate=100000"
	}
	return c
}

func (h host) locked() check {
	c := check{Name: "kernel lockdown", Status: ok, Found: h.lockdown}
	if h.lockdown == "confidentiality" {
		c.Status, c.Without = h.withoutBPF(), "no eBPF, whose programs may not read memory: "+h.instead()
		c.Remedy = "boot with lockdown=integrity"
	}
	return c
}

func sysctl(n int) string {
	if n == -1 {
		return "absent"
	}
	return strconv.Itoa(n)
}

func effective(has bool) string {
	if has {
		return "effective"
	}
	return "not effective"
}

// remedies are the lines that give mayfly all the rights it can use.
type remedies struct {
	Setcap     string `json:"setcap"`
	Docker     string `json:"docker"`
	Kubernetes string `json:"kubernetes"`
}

func (h host) remedies() remedies {
	return remedies{
		Setcap:     "sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_syslog+ep " + h.exe,
		Docker:     "docker run --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE --cap-add SYSLOG --pid host",
		Kubernetes: "hostPID: true, and securityContext: {runAsUser: 0, capabilities: {add: [BPF, PERFMON, SYS_PTRACE, SYSLOG]}}",
	}
}

// fitting returns the remedy for where we run.
func (r remedies) fitting(container string) string {
	switch container {
	case "docker":
		return r.Docker
	case "kubernetes":
		return r.Kubernetes
	}
	return r.Setcap
}

func capabilitiesLack(checks []check) bool {
	return slices.ContainsFunc(checks, func(c check) bool { return strings.HasPrefix(c.Name, "CAP_") && c.Status != ok })
}
