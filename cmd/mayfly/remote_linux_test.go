package main

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// asked starts a command for who asks from afar, whose end of stdin it returns.
func asked(t *testing.T, args ...string) (*session, io.WriteCloser) {
	t.Helper()
	var stdin io.WriteCloser
	s := start(t, func(c *exec.Cmd) {
		var err error
		if stdin, err = c.StdinPipe(); err != nil {
			t.Fatal(err)
		}
	}, append([]string{"remote"}, args...)...)
	t.Cleanup(func() { stdin.Close(); s.cmd.Process.Kill() })
	return s, stdin
}

// unsealed is what was printed before the seal, which has to be there.
func (s *session) unsealed() []byte {
	s.t.Helper()
	all := s.stdout.Bytes()
	at := len(all) - len(remoteMark) - sha256.Size
	if at < 0 || string(all[at:at+len(remoteMark)]) != remoteMark {
		s.t.Fatalf("%d bytes without a seal: %s", len(all), s.stderr.String())
	}
	if sum := sha256.Sum256(all[:at]); !bytes.Equal(sum[:], all[at+len(remoteMark):]) {
		s.t.Errorf("the seal of %d bytes is of others", at)
	}
	return all[:at]
}

// A command finds its process by itself, ends when it is done or stdin ends, and ends the process that waits beside it.
func TestRemote(t *testing.T) {
	target.Need(t, bpf.Probe())
	exe := publicCopy(t, target.Compile(t, "spin", target.Build{}))
	target.Start(t, exe)
	for _, tt := range []struct {
		name, command, until string // stderr says, then whoever asked is gone; "": it stays
		want                 string
	}{
		{"record", "record -q -d 1s -o -", "", "main.(*worker).descend"},
		{"record, and nobody is there", "record -v -d 10m -o -", " Hz", "main.(*worker).descend"},
		{"dump", "dump", "", "main.main"},
		{"top", "top --once", "", "blocked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			waits := start(t, nil, "remote", "--"+holdFlag, "10m")
			s, stdin := asked(t, append([]string{"--select", "exe=" + exe, "--"}, strings.Fields(tt.command)...)...)
			if tt.until != "" {
				s.until("the beginning", func() bool { return strings.Contains(s.stderr.String(), tt.until) })
				stdin.Close()
			}
			if code := s.wait(); code != codeOK {
				t.Errorf("exit code %d: %s", code, s.stderr.String())
			}
			if code := waits.wait(); code != codeOK {
				t.Errorf("what waits has exit code %d", code)
			}
			has := bytes.Contains(s.unsealed(), []byte(tt.want))
			if strings.HasPrefix(tt.command, "record") {
				p, err := profile.ParseData(s.unsealed())
				if err != nil {
					t.Fatal(err)
				}
				has = hasFunction(p, tt.want)
			}
			if !has {
				t.Errorf("%s is not in what it has printed: %s", tt.want, s.stderr.String())
			}
		})
	}
}

// What is not one of several processes, and what is no command, is one line.
func TestRemoteRefuses(t *testing.T) {
	for _, tt := range []struct {
		args, want string
		code       int
	}{
		{"--select name=no-such-program -- dump", "no Go process", codeFailed},
		{"-- agent", "want -- and one of record, report, top, dump", codeUsage},
		{"-- record -- sh", "want -- and one of", codeUsage},
		{"dump", "want -- and one of", codeUsage},
		{"--select x -- dump", "no KEY=PATTERN", codeUsage},
	} {
		s, _ := asked(t, strings.Fields(tt.args)...)
		if code := s.wait(); code != tt.code {
			t.Errorf("%s: exit code %d", tt.args, code)
		}
		s.oneLineOf(tt.want)
	}
}

// Of several processes the first one of a container is meant, if nobody says more; else the error names them.
func TestRemoteSeveral(t *testing.T) {
	exe := publicCopy(t, target.Compile(t, "spin", target.Build{}))
	a, b := target.Start(t, exe), target.Start(t, exe)
	s, _ := asked(t, "--select", "exe="+exe, "--", "dump")
	if code := s.wait(); code != codeFailed {
		t.Errorf("exit code %d", code)
	}
	s.oneLineOf("2 Go processes (")
	s.oneLineOf(pid(a) + " ")
	s.oneLineOf(pid(b) + " ")
}

type silent chan struct{}

func (s silent) Read([]byte) (int, error) { <-s; return 0, io.EOF }

// Nobody is there when stdin ends, or when nothing comes.
func TestHeed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		stdin   io.Reader
		silence time.Duration
	}{
		{"the end", strings.NewReader("\n\n"), time.Hour},
		{"silence", make(silent), time.Millisecond},
	} {
		gone := make(chan struct{})
		go heed(tt.stdin, tt.silence, sync.OnceFunc(func() { close(gone) }))
		select {
		case <-gone:
		case <-time.After(patience):
			t.Errorf("%s: still waiting", tt.name)
		}
	}
}
