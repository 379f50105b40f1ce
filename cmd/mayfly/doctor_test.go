package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// able is a host on which nothing is amiss. No engine was tried on it.
func able() host {
	return host{os: "linux", arch: "amd64", maxRate: 100000, lockdown: "none", exe: "/usr/bin/mayfly", rights: proc.Rights{
		CapBPF: true, CapPerfmon: true, CapSysPtrace: true, CapSyslog: true,
		PerfEventParanoid: 2, KptrRestrict: 1, YamaScope: 1,
		Kernel: "6.1.0", BTF: true,
	}}
}

func TestHostChecks(t *testing.T) {
	tests := []struct {
		name   string
		change func(*host)
		want   map[string]status // what is not ok
		remedy string            // found in one of them
	}{
		{"able", func(*host) {}, nil, ""},
		{"old kernel that can do it", func(h *host) { h.rights.Kernel = "5.10.0" }, nil, ""},
		{"no BTF", func(h *host) { h.rights.BTF = false }, map[string]status{"BTF": missing}, "CONFIG_DEBUG_INFO_BTF"},
		{"foreign arch", func(h *host) { h.arch = "riscv64" }, map[string]status{"system": missing}, ""},
		{"nobody", func(h *host) {
			h.rights.CapBPF, h.rights.CapPerfmon, h.rights.CapSysPtrace, h.rights.CapSyslog = false, false, false, false
		}, map[string]status{"CAP_BPF": missing, "CAP_PERFMON": missing, "CAP_SYS_PTRACE": limited,
			"kernel symbols": limited, "yama.ptrace_scope": limited},
			"sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_syslog+ep /usr/bin/mayfly"},
		{"in docker", func(h *host) { h.rights.CapBPF, h.container = false, "docker" }, map[string]status{"CAP_BPF": missing}, "--cap-add BPF"},
		{"in kubernetes", func(h *host) { h.rights.CapPerfmon, h.container = false, "kubernetes" }, map[string]status{"CAP_PERFMON": missing},
			"add: [BPF, PERFMON"},
		{"sys_admin", func(h *host) { h.rights.CapBPF, h.rights.CapPerfmon, h.rights.CapSysAdmin = false, false, true }, nil, ""},
		{"kptr_restrict 2", func(h *host) { h.rights.KptrRestrict = 2 }, map[string]status{"kernel symbols": limited}, "kptr_restrict=1"},
		{"symbols for all", func(h *host) { h.rights.CapSyslog, h.rights.KptrRestrict, h.rights.PerfEventParanoid = false, 0, 1 }, nil, ""},
		{"symbols for few", func(h *host) { h.rights.CapSyslog, h.rights.KptrRestrict = false, 0 }, map[string]status{"kernel symbols": limited},
			"cap_syslog"},
		{"paranoid 4", func(h *host) { h.rights.PerfEventParanoid = 4 }, map[string]status{"perf_event_paranoid": limited},
			"perf_event_paranoid=2"},
		{"yama 3", func(h *host) { h.rights.YamaScope = 3 }, map[string]status{"yama.ptrace_scope": limited}, "reboot"},
		{"slow rate", func(h *host) { h.maxRate = 500 }, map[string]status{"perf_event_max_sample_rate": limited}, "max_sample_rate=100000"},
		{"no rate", func(h *host) { h.maxRate = -1 }, nil, ""},
		{"integrity", func(h *host) { h.lockdown = "integrity" }, nil, ""},
		{"confidentiality", func(h *host) { h.lockdown = "confidentiality" }, map[string]status{"kernel lockdown": missing}, "integrity"},
		{"darwin", func(h *host) { h.os = "darwin" }, map[string]status{"system": missing}, "Linux"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := able()
			tt.change(&h)
			remedy := tt.remedy == ""
			for _, c := range h.checks() {
				if want := tt.want[c.Name]; c.Status != ok && c.Status != want || c.Status == ok && want != "" {
					t.Errorf("%s is %s, want %q", c.Name, c.Status, want)
				}
				if c.Status != ok && (c.Without == "" || c.Remedy == "") {
					t.Errorf("%s says no consequence or no remedy: %+v", c.Name, c)
				}
				remedy = remedy || strings.Contains(c.Remedy, tt.remedy)
			}
			if !remedy {
				t.Errorf("no remedy names %q", tt.remedy)
			}
		})
	}
}

// What eBPF lacks is a limit where another engine works, and no more than that.
func TestDoctorLadder(t *testing.T) {
	no := errors.New("no")
	for _, tt := range []struct {
		name              string
		ebpf, perf, table error
		want              status // of CAP_BPF
		instead, verdict  string
	}{
		{"perf events", no, nil, nil, limited, "perf events", "recording works, with limits: CAP_BPF, engine ebpf"},
		{"table", no, no, nil, limited, "goroutine table", "recording works, with limits: CAP_BPF, engine ebpf, engine perf"},
		{"nothing", no, no, no, missing, "no on-CPU samples", "recording does not work: CAP_BPF, engine ebpf, engine perf, engine table"},
	} {
		h := able()
		h.rights.CapBPF = false
		h.ladder = []profiler.Rung{
			{Engine: profiler.EBPF, Err: tt.ebpf}, {Engine: profiler.Perf, Err: tt.perf}, {Engine: profiler.Table, Err: tt.table},
		}
		r := &diagnosis{Host: h.checks()}
		if got := r.verdict(); got != tt.verdict {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.verdict)
		}
		for _, c := range r.Host {
			if c.Name == "CAP_BPF" && (c.Status != tt.want || !strings.Contains(c.Without, tt.instead)) {
				t.Errorf("%s: %+v, want %s and %q", tt.name, c, tt.want, tt.instead)
			}
		}
	}
}

func TestReportPrint(t *testing.T) {
	r := &diagnosis{PID: 7, Rights: remedies{"SETCAP", "DOCKER", "KUBERNETES"},
		Host: []check{{"CAP_BPF", missing, "not effective", "no samples", "SETCAP"}, {Name: "BTF", Status: ok, Found: "there"},
			{"CAP_PERFMON", missing, "not effective", "no samples", "SETCAP"}},
		Target: []check{{Name: "Go", Status: ok, Found: "go1.26.8"}}}
	var out bytes.Buffer
	if err := r.print(&out, false); err != nil {
		t.Fatal(err)
	}
	want := `host
  missing  CAP_BPF      not effective
                        without it: no samples
                        remedy: SETCAP
  ok       BTF          there
  missing  CAP_PERFMON  not effective
                        without it: no samples
                        remedy: the same
process 7
  ok       Go  go1.26.8

recording does not work: CAP_BPF, CAP_PERFMON

all rights at once, whichever fits:
  SETCAP
  DOCKER
  KUBERNETES
`
	if out.String() != want {
		t.Errorf("printed:\n%s\nwant:\n%s", out.String(), want)
	}
	if got := palette(true).status(missing); got != "\x1b[31mmissing\x1b[0m" {
		t.Errorf("in colour: %q", got)
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		with status
		want string
	}{{ok, "recording works fully"}, {limited, "recording works, with limits: x"}, {missing, "recording does not work: x"}} {
		r := &diagnosis{Host: []check{{Name: "x", Status: tt.with}}}
		if got := r.verdict(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.with, got, tt.want)
		}
	}
}

func TestBracketed(t *testing.T) {
	for in, want := range map[string]string{"none [integrity] confidentiality\n": "integrity", "[none]": "none", "": "", "[": ""} {
		if got := bracketed(in); got != want {
			t.Errorf("bracketed(%q) = %q, want %q", in, got, want)
		}
	}
}
