package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

func listCommand(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the Go processes of this host",
		Long: `List shows every process of this host that runs Go code: Go programs, and programs of other
languages that have loaded a Go library. It says of each whether a recording would have its
pprof labels.`,
		Example: "  mayfly list\n  sudo mayfly list --json | jq '.processes[].pid'",
		GroupID: groupHost,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			l, err := listProcesses()
			if err != nil {
				return err
			}
			if asJSON {
				return e.json(l)
			}
			if err := l.print(e.stdout); err != nil {
				return err
			}
			l.remark(e)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

// listing is the answer of list.
type listing struct {
	Processes []goProcess `json:"processes"` // ascending by pid
	Denied    int         `json:"denied"`    // processes that could not be looked into
	Stuck     int         `json:"stuck"`     // processes of which a file or page could not be read in time
}

// listProcesses looks into every process but this one.
func listProcesses() (listing, error) {
	l := listing{Processes: []goProcess{}}
	pids, err := proc.List()
	if err != nil {
		return l, err
	}
	images := new(goruntime.Images)
	for _, a := range inspectAll(pids, func(pid int) (goProcess, error) { return inspectPID(pid, images) }) {
		switch {
		case errors.Is(a.err, os.ErrDeadlineExceeded):
			l.Stuck++
		case a.err == nil:
			l.Processes = append(l.Processes, a.v)
		case errors.Is(a.err, fs.ErrPermission):
			l.Denied++
		}
		// Others are no Go programs, or ended meanwhile.
	}
	return l, nil
}

// inspectTime is how long one process is waited for, and when all others were looked at those that were not done. What is
// read of a process can be on a file system that does not answer, or on a page that its owner does not let in.
const inspectTime = 300 * time.Millisecond

// answer is what the inspection of a process came to.
type answer[T any] struct {
	pid int
	v   T
	err error // os.ErrDeadlineExceeded: none in time
}

// inspectAll inspects each process but this one. An inspection that takes too long is left behind; on a busy machine it
// may have come to its end when all others have.
func inspectAll[T any](pids []int, inspect func(pid int) (T, error)) []answer[T] {
	answers := make([]answer[T], 0, len(pids))
	late := make(map[int]chan answer[T]) // by index of answers
	for _, pid := range pids {
		if pid == os.Getpid() {
			continue
		}
		done := make(chan answer[T], 1)
		go func() {
			v, err := inspect(pid)
			done <- answer[T]{pid, v, err}
		}()
		select {
		case a := <-done:
			answers = append(answers, a)
		case <-time.After(inspectTime):
			late[len(answers)] = done
			answers = append(answers, answer[T]{pid: pid, err: os.ErrDeadlineExceeded})
		}
	}
	grace, cancel := context.WithTimeout(context.Background(), inspectTime)
	defer cancel()
	for i, done := range late {
		select {
		case answers[i] = <-done:
		case <-grace.Done():
			select {
			case answers[i] = <-done:
			default:
			}
		}
	}
	return answers
}

func inspectPID(pid int, images *goruntime.Images) (goProcess, error) {
	p, err := proc.Open(pid)
	if err != nil {
		return goProcess{}, err
	}
	defer p.Close()
	return inspectProcess(p, images)
}

// shortID is how much of a build ID the table shows.
const shortID = 12

func (l listing) print(w io.Writer) error {
	if len(l.Processes) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PID\tUSER\tGO\tMAIN\tBUILD ID\tLABELS")
	for _, p := range l.Processes {
		labels := "yes"
		if !p.Labels {
			labels = "no: " + p.LabelsWhy
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%.*s\t%s\n", p.PID, p.User, p.GoVersion, p.title(), shortID, p.BuildID, labels)
	}
	return t.Flush()
}

// remark says on stderr what the table cannot.
func (l listing) remark(e *env) {
	if l.Denied > 0 {
		e.say("could not look into %d other %s: %s", l.Denied, plural(l.Denied, "process", "processes"), deniedRemedy("list"))
	}
	if l.Stuck > 0 {
		e.say("%d %s did not answer within %s", l.Stuck, plural(l.Stuck, "process", "processes"), inspectTime)
	}
	switch {
	case len(l.Processes) > 0:
	case l.Denied+l.Stuck > 0:
		e.say("none of those that could be looked into is a Go process")
	default:
		e.say("no Go process found")
	}
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// deniedRemedy says what would let a command look into the processes of others.
func deniedRemedy(command string) string {
	if r, err := proc.HostRights(); err == nil && r.CapSysPtrace {
		return "a security module of this host keeps it from us"
	}
	return "sudo mayfly " + command + ", or sudo setcap cap_sys_ptrace+ep mayfly"
}

// completePID offers the Go processes for an argument or flag that takes a process id.
func completePID(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	pids, err := proc.List()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offers []string
	images := new(goruntime.Images)
	for _, a := range inspectAll(pids, func(pid int) (string, error) { return goProgram(pid, images) }) {
		if a.err == nil {
			offers = append(offers, cobra.CompletionWithDesc(strconv.Itoa(a.pid), a.v))
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

// goProgram names the program of a Go process.
func goProgram(pid int, images *goruntime.Images) (string, error) {
	p, err := proc.Open(pid)
	if err != nil {
		return "", err
	}
	defer p.Close()
	return namedProgram(p, images)
}

func namedProgram(p *proc.Process, images *goruntime.Images) (string, error) {
	_, file, err := openImage(p, images)
	if err != nil {
		return "", err
	}
	defer file.Close()
	g, err := identify(p, file)
	return g.Main, err
}
