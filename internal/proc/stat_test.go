package proc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree writes a /proc of its own.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const statFixture = "42 (a) R (b) S 1 42 42 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 7 0 98765 1 2 3 4 5 6 7 8 9 0 0 0 0 0 0 17 1 0 0\n"

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte(statFixture))
	want := stat{state: 'S', threads: 7, cpu: 2 * time.Second, start: 98765}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	kernel := "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 2 0 0"
	if got, err := parseStat([]byte(kernel)); err != nil || !got.kernel {
		t.Errorf("kthreadd: %+v, %v", got, err)
	}
	young := strings.Replace(statFixture, "98765 1 2 3 4 5", "98765 1 2 3 0 0", 1)
	if got, err := parseStat([]byte(young)); err != nil || !got.bare {
		t.Errorf("in execve: %+v, %v", got, err)
	}
	for _, bad := range []string{"", "42 (x", "42 (x) S 1 2", strings.Replace(statFixture, "98765", "-1", 1)} {
		if _, err := parseStat([]byte(bad)); !errors.Is(err, errStat) {
			t.Errorf("%q: got error %v, want %v", bad, err, errStat)
		}
	}
}

func TestFixtureProcess(t *testing.T) {
	root := tree(t, map[string]string{
		"42/stat": statFixture, "42/comm": "a) R (b\n", "42/cmdline": "/bin/a\x00-x\x00\x00",
		"42/status": "Name:\ta\nUid:\t1\t2\t3\t4\nCpus_allowed_list:\t0-2,7\n", "42/maps": mapsFixture,
		"42/task/42/x": "", "42/task/7/x": "", "42/task/101/x": "", "7/x": "", "self": "",
	})
	p, err := openIn(root, 42)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if c := p.Comm(); c != "a) R (b" {
		t.Errorf("comm %q", c)
	}
	if c := p.Cmdline(); !slices.Equal(c, []string{"/bin/a", "-x", ""}) {
		t.Errorf("cmdline %q", c)
	}
	if u, err := p.UID(); u != 2 || err != nil {
		t.Errorf("uid %d, %v", u, err)
	}
	if n, err := p.CPUs(); n != 4 || err != nil {
		t.Errorf("CPUs %d, %v", n, err)
	}
	if th, err := p.Threads([]int{99}); !slices.Equal(th, []int{99, 7, 42, 101}) || err != nil {
		t.Errorf("threads %v, %v", th, err)
	}
	if m, err := p.Maps(); len(m) != 7 || err != nil {
		t.Errorf("maps %v, %v", m, err)
	}
	if d, err := p.CPU(); d != 2*time.Second || err != nil {
		t.Errorf("cpu %v, %v", d, err)
	}
	if l, err := listIn(root); !slices.Equal(l, []int{7, 42}) || err != nil {
		t.Errorf("list %v, %v", l, err)
	}
}

// TestRecycledPID replaces the process by another with the same number.
func TestRecycledPID(t *testing.T) {
	root := tree(t, map[string]string{"42/stat": statFixture})
	p, err := openIn(root, 42)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if !p.Alive() {
		t.Error("not alive")
	}
	next := strings.Replace(statFixture, "98765", "98766", 1)
	if err := os.WriteFile(filepath.Join(root, "42/stat"), []byte(next), 0o644); err != nil {
		t.Fatal(err)
	}
	if p.Alive() {
		t.Error("another process passes for ours")
	}
	if _, err := p.CPU(); !errors.Is(err, ErrNoProcess) {
		t.Errorf("cpu: %v", err)
	}
	<-p.Exited()
}

func TestNoProcess(t *testing.T) {
	root := tree(t, map[string]string{"43/stat": strings.Replace(strings.Replace(statFixture, ") S", ") Z", 1),
		" 7 0 98765", " 1 0 98765", 1)})
	for _, pid := range []int{42, 43} { // absent, zombie
		if _, err := openIn(root, pid); !errors.Is(err, ErrNoProcess) {
			t.Errorf("%d: got %v, want %v", pid, err, ErrNoProcess)
		}
	}
}

func TestDenied(t *testing.T) {
	for yama, want := range map[string]string{"": "CAP_SYS_PTRACE", "1\n": "ptrace_scope is 1", "3": "until reboot"} {
		files := map[string]string{"42/stat": statFixture}
		if yama != "" {
			files["sys/kernel/yama/ptrace_scope"] = yama
		}
		p := &Process{root: tree(t, files), pid: 42}
		err := p.deny("maps", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission})
		var access *AccessError
		if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &access) || access.PID != 42 || !strings.Contains(err.Error(), want) {
			t.Errorf("yama %q: got %v, want %q", yama, err, want)
		}
	}
}

func TestRights(t *testing.T) {
	root := tree(t, map[string]string{
		"self/status":                    "Name:\tx\nCapEff:\t000000c000080000\n",
		"sys/kernel/osrelease":           "5.15.0-105-generic\n",
		"sys/kernel/perf_event_paranoid": "4\n",
		"sys/kernel/kptr_restrict":       "1\n",
	})
	got, err := rightsIn(root)
	want := Rights{CapBPF: true, CapPerfmon: true, CapSysPtrace: true, PerfEventParanoid: 4, KptrRestrict: 1,
		YamaScope: -1, Kernel: "5.15.0-105-generic"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}
