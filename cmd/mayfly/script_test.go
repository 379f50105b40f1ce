package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

// programs are what tests start by name.
var programs = map[string]func(){
	"mayfly": main,
	"idle":   func() { _, _ = io.Copy(io.Discard, os.Stdin) },
}

func TestMain(m *testing.M) { testscript.Main(m, programs) }

// TestScript runs the real command in the scripts of testdata/script.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup:               startOthers,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "profiles": writeProfiles, "bomb": bomb, "truncate": truncate, "heapprofile": heapProfile, "steps": steps,
			"requests": writeRequests,
		},
	})
}

// startOthers runs two idle programs beside the script, one in Go and one not. The script finds
// their process ids in $IDLE and $OTHER.
func startOthers(e *testscript.Env) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	for name, program := range map[string]string{"IDLE": "idle", "OTHER": "cat"} {
		path, err := exec.LookPath(program)
		if err != nil {
			return err
		}
		idle := exec.Command(path)
		stdin, err := idle.StdinPipe()
		if err != nil {
			return err
		}
		if err := idle.Start(); err != nil {
			return err
		}
		e.Defer(func() {
			stdin.Close()
			_ = idle.Wait()
		})
		e.Setenv(name, strconv.Itoa(idle.Process.Pid))
	}
	return nil
}

// exits CODE[,CODE] PROGRAM ARG... runs a program that must end with one of the exit codes.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE[,CODE] PROGRAM ARG...")
	}
	code := 0
	var exit *exec.ExitError
	err := ts.Exec(args[1], args[2:]...)
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if !slices.Contains(strings.Split(args[0], ","), strconv.Itoa(code)) {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
