package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// targetChecks returns what is to be said of one process: what a recording of it can know.
func targetChecks(p *proc.Process) []check {
	checks := []check{{Name: "process", Status: ok, Found: printable.Line(commandLine(p)) + ", user " + userOf(p)}}
	im, file, err := openImage(p, new(goruntime.Images))
	if errors.Is(err, errNotGo) {
		return append(checks, check{"Go", missing, "no Go program", "recording: mayfly reads the tables of the Go runtime",
			"choose one of mayfly list"})
	}
	if err != nil {
		return append(checks, denied("executable", missing, "nothing is known about the program", err))
	}
	defer file.Close()
	g, err := identify(p, file)
	if err != nil {
		return append(checks, denied("Go", missing, "nothing is known about the program", err))
	}
	return append(append(checks, golang(g, im), symbols(file), memory(p), peers(p)), layout(p, im, file)...)
}

// golang says what Go code runs in the process.
func golang(g goProcess, im goruntime.Image) check {
	c := check{Name: "Go", Status: ok, Found: g.GoVersion + ", " + g.Main}
	if !im.Exe {
		c.Found += ", in the library " + printable.Line(im.Mapping.Path)
	}
	if len(im.Others) > 0 {
		c.Status, c.Without = limited, "the goroutines of other Go libraries: "+printable.Line(strings.Join(im.Others, ", "))
		c.Remedy = "one Go library a process: each has a runtime of its own"
	}
	return c
}

func commandLine(p *proc.Process) string {
	args := p.Cmdline()
	if len(args) == 0 {
		return p.Comm()
	}
	line := []rune(strings.Join(args, " "))
	if len(line) > 60 {
		line = append(line[:59], '…')
	}
	return string(line)
}

// denied is the check of something that we were not let to. Errors of package proc end in their
// remedy.
func denied(name string, s status, without string, err error) check {
	return check{Name: name, Status: s, Found: printable.Line(err.Error()), Without: without}
}

func symbols(exe *os.File) check {
	b, err := symbolize.OpenGo(exe)
	if err != nil {
		return check{"symbols", missing, printable.Line(err.Error()), "stacks without function names",
			"rebuild the program with a Go release from 1.18 on"}
	}
	functions := 0
	for range b.Funcs() {
		functions++
	}
	return check{Name: "symbols", Status: ok, Found: fmt.Sprintf("%d functions in pclntab, build ID %s",
		functions, printable.Line(b.BuildID()))}
}

func memory(p *proc.Process) check {
	if err := p.Readable(); err != nil {
		return denied("memory", limited, "no goroutine states, no labels longer than an eBPF record", err)
	}
	return check{Name: "memory", Status: ok, Found: "readable"}
}

// layout checks what is known of the Go runtime in the executable.
func layout(p *proc.Process, im goruntime.Image, file *os.File) []check {
	l, err := im.Layout(p, file, symbolize.FindFunc(file))
	if err != nil {
		return []check{unknownLayout(err)}
	}
	found := check{Name: "runtime layout", Status: ok, Found: printable.Line(l.Version) + ", from " + l.From}
	if l.Doubt != "" {
		found.Found += ": " + printable.Line(l.Doubt)
	}
	return []check{found, labels(l), current(l)}
}

func unknownLayout(err error) check {
	c := check{"runtime layout", limited, printable.Line(err.Error()), "no goroutine ids, states and labels",
		"build the program with a Go release that mayfly knows"}
	var unknown *goruntime.UnknownVersionError
	if errors.As(err, &unknown) {
		c.Found = printable.Line(fmt.Sprintf("%s on %s is not known: %v", unknown.Version, unknown.Arch, unknown.Err))
		c.Remedy = "build the program with DWARF (without -ldflags=-w), or use a newer mayfly"
	}
	return c
}

// current checks how the goroutine that a thread runs is found. Where it is not in thread-local
// storage, it is taken from the register that Go code keeps it in, which on arm64 without C code
// is the rule (runtime/tls_arm64.s, save_g) and on amd64 a makeshift: C code uses R14 too.
func current(l *goruntime.Layout) check {
	c := check{Name: "current goroutine", Status: ok}
	switch l.TLSFrom {
	case goruntime.TLSOnly:
		c.Found = fmt.Sprintf("at thread pointer %+d, the only word there", l.TLS)
	case goruntime.TLSUnknown:
		c.Found = "from the register of Go code"
		if l.Arch == "amd64" {
			c.Status, c.Without = limited, "samples in C code carry no goroutine id and no labels"
			c.Remedy = "keep the symbols of the program (no -ldflags=-s)"
		}
	default:
		c.Found = fmt.Sprintf("at thread pointer %+d, found by %s", l.TLS, l.TLSFrom)
	}
	return c
}

func labels(l *goruntime.Layout) check {
	c := check{Name: "labels", Status: ok}
	switch l.Labels {
	case goruntime.LabelsSlice:
		c.Found = "a sorted list (Go 1.24 and later)"
	case goruntime.LabelsMap:
		c.Found = "a map (Go 1.23 and earlier)"
	default:
		var lost bool
		if c.Found, lost = noLabels(l); lost {
			c.Status, c.Without, c.Remedy = limited, "samples carry no labels", "build the program with a Go release that mayfly knows"
		}
	}
	return c
}

// peers checks whether the other ends of the process's sockets can be seen. The kernel asks for the right before it looks whether
// there is such a descriptor (kernel/pid.c, pidfd_getfd).
func peers(p *proc.Process) check {
	_, err := p.Peer(0)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return denied("peers", limited, "who goroutines wait for: no label go.peer", err)
	}
	return check{Name: "peers", Status: ok, Found: "readable"}
}
