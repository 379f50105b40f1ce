package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// diagnosis is the answer of the doctor.
type diagnosis struct {
	PID    int      `json:"pid,omitempty"`
	Works  bool     `json:"works"` // nothing is missing
	Host   []check  `json:"host"`
	Target []check  `json:"target,omitempty"`
	Rights remedies `json:"remedies"` // that give all rights at once
}

func doctorCommand(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [PID]",
		Short: "Say what this host and these rights allow, and what is missing",
		Long: `Doctor says what a recording would have on this host and with these rights, what it would
lack, and how to change that. With a PID it examines that process, too.

  ok       nothing to do
  limited  recording works without what the line names
  missing  recording does not work until this is changed

The exit code is 0 when nothing is missing and 1 otherwise.`,
		Example:           "  mayfly doctor\n  mayfly doctor 4242\n  sudo mayfly doctor --json | jq .works",
		GroupID:           groupHost,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completePID,
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := examine(args)
			if err != nil {
				return err
			}
			if asJSON {
				err = e.json(r)
			} else {
				err = r.print(raw(e.stdout), palette(e.colour(e.stdout)))
			}
			if err == nil && !r.Works {
				return &exitError{code: codeFailed}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

// examine runs all checks.
func examine(args []string) (*diagnosis, error) {
	r := &diagnosis{}
	if len(args) == 1 {
		pid, err := parsePID(args[0])
		if err != nil {
			return nil, err
		}
		r.PID = pid
	}
	h, err := thisHost()
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	r.Host, r.Rights = h.checks(), h.remedies()
	if r.PID != 0 && h.os == "linux" {
		p, err := proc.Open(r.PID)
		if err != nil {
			return nil, err
		}
		defer p.Close()
		r.Target = targetChecks(p)
	}
	r.Works = !slices.ContainsFunc(slices.Concat(r.Host, r.Target), func(c check) bool { return c.Status == missing })
	return r, nil
}

// parsePID reads a process id from the command line.
func parsePID(s string) (int, error) {
	pid, err := strconv.ParseInt(s, 10, 32)
	if err != nil || pid <= 0 {
		return 0, usagef("%q is no process id", s)
	}
	return int(pid), nil
}

// isPID says whether an argument can be meant as a process id.
func isPID(s string) bool {
	_, err := parsePID(s)
	return err == nil
}

// palette colours a status when on.
type palette bool

func (on palette) status(s status) string {
	colour := map[status]string{ok: "\x1b[32m", limited: "\x1b[33m", missing: "\x1b[31m"}[s]
	text := fmt.Sprintf("%-7s", s)
	if !on {
		return text
	}
	return colour + text + "\x1b[0m"
}

func (r *diagnosis) print(w io.Writer, colours palette) error {
	var b strings.Builder
	said := map[string]bool{}
	printChecks(&b, "host", r.Host, colours, said)
	if r.PID != 0 {
		printChecks(&b, "process "+strconv.Itoa(r.PID), r.Target, colours, said)
	}
	b.WriteString("\n" + r.verdict() + "\n")
	if capabilitiesLack(r.Host) {
		fmt.Fprintf(&b, "\nall rights at once, whichever fits:\n  %s\n  %s\n  %s\n", r.Rights.Setcap, r.Rights.Docker, r.Rights.Kubernetes)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printChecks prints the checks below a title. A remedy that was said before is not said again.
func printChecks(b *strings.Builder, title string, checks []check, colours palette, said map[string]bool) {
	wide := 0
	for _, c := range checks {
		wide = max(wide, len(c.Name))
	}
	b.WriteString(title + "\n")
	for _, c := range checks {
		fmt.Fprintf(b, "  %s  %-*s  %s\n", colours.status(c.Status), wide, c.Name, printable.Line(c.Found))
		indent := strings.Repeat(" ", wide+13)
		if c.Without != "" {
			b.WriteString(indent + "without it: " + c.Without + "\n")
		}
		switch {
		case c.Remedy == "":
		case said[c.Remedy]:
			b.WriteString(indent + "remedy: the same\n")
		default:
			b.WriteString(indent + "remedy: " + c.Remedy + "\n")
			said[c.Remedy] = true
		}
	}
}

// verdict is the whole report in one line.
func (r *diagnosis) verdict() string {
	names := map[status][]string{}
	for _, c := range slices.Concat(r.Host, r.Target) {
		names[c.Status] = append(names[c.Status], c.Name)
	}
	switch {
	case len(names[missing]) > 0:
		return "recording does not work: " + strings.Join(names[missing], ", ")
	case len(names[limited]) > 0:
		return "recording works, with limits: " + strings.Join(names[limited], ", ")
	}
	return "recording works fully"
}
