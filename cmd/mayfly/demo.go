package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/google/pprof/profile"
	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/baseline"
	"github.com/mayfly-profiler/mayfly/internal/demo"
	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// demoWarmUp lets connections and the store settle before the recording.
const demoWarmUp = 500 * time.Millisecond

// demoObjective is one that the service does not meet: its orders wait for each other.
const demoObjective = "p99(endpoint=/fulfil)<800ms"

const (
	demoFile    = "mayfly-demo.pb.gz"
	defaultFile = "mayfly-demo-default.pb.gz"
)

func demoCommand(e *env) *cobra.Command {
	length, dir := duration(defaultDuration), "."
	cmd := &cobra.Command{
		Use:     "demo",
		GroupID: groupRecord,
		Short:   "Record a service that comes with mayfly, and compare with the default profile",
		Long: `Demo starts a small order service (HTTP on loopback, an embedded store, one short goroutine
for each order line) under load. It records it at 999 Hz, takes the default 100 Hz profile of
the same seconds, and shows what each of them saw. Both profiles are kept. Without the rights
for eBPF it shows what can be seen without. If one of them fails, the other is kept and shown,
and the exit code is 1.`,
		Example: "  mayfly demo\n  mayfly demo -d 30s -o /tmp",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), e, time.Duration(length), dir)
		},
	}
	cmd.Flags().VarP(&length, "duration", "d", "how long to record")
	cmd.Flags().StringVarP(&dir, "output", "o", ".", "`folder` to write the two profiles to")
	return cmd
}

func runDemo(ctx context.Context, e *env, length time.Duration, dir string) error {
	if length < time.Second {
		return usagef("demo: %s is too short: the default profile takes a second at least", length)
	}
	for _, name := range []string{demoFile, defaultFile} {
		if err := checkOutput(e, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	service, ready, err := startRole("service")
	if err != nil {
		return err
	}
	defer service.end()
	load, _, err := startRole("load", ready.URL)
	if err != nil {
		return err
	}
	defer load.end()
	d := &demoRun{env: e, url: ready.URL, pid: ready.PID, length: length}
	e.say("order service at %s, pid %d; recording it for %s", d.url, d.pid, length)
	if !sleepContext(ctx, demoWarmUp) {
		return ctx.Err()
	}
	if err := d.record(ctx); err != nil {
		return err
	}
	return d.report(dir)
}

// record takes both profiles of the same seconds. Each is worth having without the other: what is lacking at the end is in
// d.missing, and without the rights for eBPF the default profile is the result.
func (d *demoRun) record(ctx context.Context) error {
	var err error
	if d.before, err = fetchTruth(ctx, d.url); err != nil {
		return err
	}
	done := make(chan fetched, 1)
	fetching, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		p, err := baseline.Fetch(fetching, http.DefaultClient, d.url, d.length)
		done <- fetched{p, err}
	}()
	f := recordFlags{mode: string(profiler.Wall), rate: profiler.DefaultRate, duration: duration(d.length), timeline: true}
	d.rec, err = recordProcess(ctx, d.env, &f, d.pid, nil)
	if d.rec == nil {
		d.env.warn("without eBPF there is the default profile only: %s", oneLine(err.Error()))
	} else {
		d.missing = err
		for _, what := range d.rec.Summary.Denied {
			d.env.warn("missing: %s", what)
		}
	}
	d.complete(ctx, done)
	return nil
}

// fetched is the default profile, or why there is none.
type fetched struct {
	p   *profile.Profile
	err error
}

// complete adds what the service itself says to the recording.
func (d *demoRun) complete(ctx context.Context, done <-chan fetched) {
	if ctx.Err() != nil {
		d.env.warn("interrupted: no default profile")
		return
	}
	got := <-done
	d.defaultProfile = got.p
	after, err := fetchTruth(ctx, d.url)
	if err == nil {
		d.after = &after
	}
	d.missing = cmp.Or(d.missing, got.err, err)
}

// report writes the files and prints the table.
func (d *demoRun) report(dir string) error {
	var files []string
	keep := func(name string, p *profile.Profile) error {
		path := filepath.Join(dir, name)
		if p == nil {
			d.outdated(path)
			return nil
		}
		files = append(files, path)
		return writeProfile(d.env, path, p)
	}
	if err := keep(defaultFile, d.defaultProfile); err != nil {
		return err
	}
	if d.rec == nil {
		d.outdated(filepath.Join(dir, demoFile))
	} else {
		if err := keep(demoFile, d.rec.Profile); err != nil {
			return err
		}
		d.table()
	}
	if len(files) == 0 {
		return cmp.Or(d.missing, errors.New("nothing was recorded"))
	}
	for _, path := range files {
		fmt.Fprintf(d.env.stdout, "go tool pprof -http=: %s\n", printable.Shell(path))
	}
	last := printable.Shell(files[len(files)-1])
	fmt.Fprintf(d.env.stdout, "mayfly view %s\n", last)
	if d.rec != nil {
		fmt.Fprintf(d.env.stdout, "mayfly report --slo '%s' %s\n", demoObjective, last)
	}
	return d.missing
}

// outdated warns of a file of an earlier run that this one has not replaced.
func (d *demoRun) outdated(path string) {
	if _, err := os.Lstat(path); err == nil {
		d.env.warn("%s is of an earlier run", path)
	}
}

func fetchTruth(ctx context.Context, url string) (t demo.Truth, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/truth", nil)
	if err != nil {
		return t, fmt.Errorf("demo: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return t, fmt.Errorf("demo: the service's truth: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return t, fmt.Errorf("demo: the service's truth: %s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&t); err != nil {
		return t, fmt.Errorf("demo: the service's truth: %w", err)
	}
	return t, nil
}

func sleepContext(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// actor is a child process that plays a role in the demo. It ends when its standard input does, so
// it never outlives this process.
type actor struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

const roleName = "demo-role"

// startRole starts this executable in a role; the service says when it is ready.
func startRole(role string, args ...string) (*actor, demo.Ready, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, demo.Ready{}, fmt.Errorf("demo: %w", err)
	}
	return startExecutable(self, role, args...)
}

func startExecutable(exe, role string, args ...string) (*actor, demo.Ready, error) {
	var ready demo.Ready
	cmd := exec.Command(exe, append([]string{roleName, role}, args...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, ready, fmt.Errorf("demo: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, ready, fmt.Errorf("demo: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, ready, fmt.Errorf("demo: start %s: %w", role, err)
	}
	a := &actor{cmd, stdin}
	out := bufio.NewReader(stdout)
	if role == "service" {
		line, err := out.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &ready)
		}
		if err != nil {
			a.end()
			return nil, ready, fmt.Errorf("demo: the service did not start: %w", err)
		}
	}
	go io.Copy(io.Discard, out)
	return a, ready, nil
}

func (a *actor) end() {
	a.stdin.Close()
	a.cmd.Wait()
}

// roleCommand is the child's side.
func roleCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: roleName, Hidden: true, Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Ctrl-C reaches all of the terminal's processes; the parent decides when the roles end.
			ctx := context.WithoutCancel(cmd.Context())
			switch {
			case args[0] == "service" && len(args) == 1:
				return demo.Serve(ctx, demo.Options{Parent: e.stdin, Out: e.stdout})
			case args[0] == "load" && len(args) == 2:
				return demo.Drive(ctx, demo.Load{URL: args[1], Parent: e.stdin, Out: e.stdout})
			}
			return usagef("%s is for mayfly's own use", roleName)
		},
	}
}
