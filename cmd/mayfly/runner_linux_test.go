package main

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// A command runs with the rights of the user that --user names and no others, and is recorded with ours.
func TestRecordUser(t *testing.T) {
	target.Need(t, bpf.Probe())
	dir, err := os.MkdirTemp("", "mayfly-user-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	spin := filepath.Join(dir, "spin")
	b, err := os.ReadFile(target.Compile(t, "spin", target.Build{}))
	if err == nil {
		err = os.WriteFile(spin, b, 0o755)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, nil, "record", "--user", "nobody", "--", spin, "-d", "3s")
	var status []byte
	s.until("the command", func() bool {
		found, _ := filepath.Glob("/proc/[0-9]*/exe")
		for _, exe := range found {
			if to, _ := os.Readlink(exe); to == spin {
				status, _ = os.ReadFile(filepath.Join(filepath.Dir(exe), "status"))
			}
		}
		return len(status) > 0
	})
	if code := s.wait(); code != codeOK {
		t.Fatalf("exit code %d\n%s", code, s.stderr.String())
	}
	if p := s.profile("mayfly.pb.gz"); len(p.Sample) == 0 {
		t.Error("no samples")
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	for key, id := range map[string]string{"Uid": u.Uid, "Gid": u.Gid} {
		if want := key + ":" + strings.Repeat("\t"+id, 4) + "\n"; !strings.Contains(string(status), want) {
			t.Errorf("no %q in %s", want, status)
		}
	}
	if !strings.Contains(string(status), "CapEff:\t0000000000000000\n") || strings.Contains(string(status), "Groups:\t0") {
		t.Errorf("rights are left: %s", status)
	}
	for _, args := range [][]string{{"--user", "no.such.user", "--", spin}, {"--user", "nobody", "-p", "1"},
		{"--user", "nobody", "--", "go", "test"}} {
		s := start(t, nil, append([]string{"record"}, args...)...)
		if code := s.wait(); code == codeOK {
			t.Errorf("%q: exit code 0", args)
		} else {
			s.oneLineOf("--user")
		}
	}
}
