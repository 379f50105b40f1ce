package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

const spinning = "spin for kubectl-mayfly"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == spinning {
		spin()
	}
	quiet()
	os.Exit(m.Run())
}

func spin() {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for n := 0; ; n++ {
		sink = n
	}
}

var sink int

// spinner is a Go process in a pod, as far as the fake server goes.
func spinner(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], spinning)
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
}

// build builds mayfly from this clone.
func build(t *testing.T) (exe string) {
	t.Helper()
	exe = filepath.Join(t.TempDir(), "mayfly")
	cmd := exec.Command("go", "build", "-o", exe, "./cmd/mayfly")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return exe
}

// executed has mayfly executed in the pod. It says when the recording has begun.
func executed(t *testing.T, exe string, begun func()) func([]string, *streams) int {
	return func(line []string, x *streams) int {
		cmd := exec.Command(exe, line[1:]...)
		cmd.Stdout, cmd.Stderr = x.stdout, writer(func(b []byte) error {
			if strings.Contains(string(b), " Hz") {
				begun()
			}
			_, err := x.stderr.Write(b)
			return err
		})
		stdin, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Error(err)
			return 1
		}
		go func() { io.Copy(stdin, x.stdin); stdin.Close() }()
		cmd.Wait()
		return cmd.ProcessState.ExitCode()
	}
}

// needRoot skips the test without root, or with MAYFLY_REQUIRE_BPF=1 fails it, as internal/target does in mayfly's own module.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	err := fmt.Errorf("record a process that is no child of ours: %w", fs.ErrPermission)
	if os.Getenv("MAYFLY_REQUIRE_BPF") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// The plugin and mayfly understand each other: a real recording arrives whole, also when Ctrl-C ends it; and an error as it is.
func TestReal(t *testing.T) {
	needRoot(t)
	spinner(t)
	exe := build(t)
	for _, tt := range []struct {
		length    string
		interrupt bool
	}{{"1s", false}, {"10m", true}} {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		f := newFake(t)
		f.command = executed(t, exe, func() {
			if tt.interrupt {
				interrupt()
			}
		})
		r := f.run(ctx, "record", "web", "-d", tt.length, "--select", "cmdline=*"+spinning, "--", "-v")
		if r.code != 0 {
			t.Fatalf("exit code %d: %s %s", r.code, r.said, r.stderr)
		}
		b, err := os.ReadFile(filepath.Join(r.dir, "mayfly.pb.gz"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := profile.ParseData(b)
		if err != nil || len(p.Sample) == 0 {
			t.Errorf("%d bytes: %v", len(b), err)
			continue
		}
		if text := p.String(); !strings.Contains(text, "kubectl-mayfly.spin") {
			t.Errorf("%d samples, none of them in spin", len(p.Sample))
		}
	}
	f := newFake(t)
	f.command = executed(t, exe, func() {})
	r := f.run(t.Context(), "dump", "web", "--select", "name=no-such-program")
	if want := "mayfly: no Go process"; r.code != 1 || r.said != "" || !strings.Contains(r.stderr, want) {
		t.Errorf("exit code %d, %q, %q", r.code, r.said, r.stderr)
	}
}
