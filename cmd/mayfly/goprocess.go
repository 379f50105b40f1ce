package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// goProcess is a Go process of this host, as `mayfly list` shows it. What stands in the
// executable was written by somebody else: it is made printable here, once.
type goProcess struct {
	PID       int    `json:"pid"`
	User      string `json:"user"`
	GoVersion string `json:"go_version"`
	Main      string `json:"main"`     // import path of the main package, or the file's name
	Module    string `json:"module"`   // "" when built without one
	Program   string `json:"program"`  // what the process was started as
	Image     string `json:"image"`    // the library with the Go code; "" when it is the executable
	BuildID   string `json:"build_id"` // of the image
	Labels    bool   `json:"labels"`   // the pprof labels can be read
	LabelsWhy string `json:"labels_why"`
}

// errNotGo says that a process exists and is no Go program.
var errNotGo = errors.New("not a Go program")

// inspectProcess describes the process if Go code runs in it. The error is errNotGo if none does and
// wraps fs.ErrPermission if we may not know.
func inspectProcess(p *proc.Process, images *goruntime.Images) (goProcess, error) {
	im, file, err := openImage(p, images)
	if err != nil {
		return goProcess{}, err
	}
	defer file.Close()
	g, err := identify(p, file)
	if err != nil {
		return goProcess{}, err
	}
	g.PID, g.User, g.Image, g.Program = p.PID(), userOf(p), printable.Line(im.Mapping.Path), printable.Line(programName(p))
	if b, err := symbolize.OpenGo(file); err == nil {
		g.BuildID = printable.Line(b.BuildID())
	}
	g.Labels, g.LabelsWhy = readableLabels(p, im, file)
	return g, nil
}

// openImage finds and opens the file with the Go runtime of a process.
func openImage(p *proc.Process, images *goruntime.Images) (goruntime.Image, *os.File, error) {
	im, err := images.Find(p)
	if errors.Is(err, goruntime.ErrNotGo) {
		return im, nil, errNotGo
	}
	if err != nil {
		return im, nil, err
	}
	file, err := im.Open(p)
	return im, file, err
}

// identify reads what the Go linker wrote about the program or library.
func identify(p *proc.Process, image io.ReaderAt) (goProcess, error) {
	stamp, err := goruntime.BuildInfo(image)
	if err != nil {
		return goProcess{}, errNotGo
	}
	g := goProcess{GoVersion: printable.Line(stamp.GoVersion), Main: printable.Line(stamp.Path), Module: printable.Line(stamp.Main.Path)}
	if g.Main == "" || g.Main == "command-line-arguments" {
		g.Main = printable.Line(programName(p)) // built from files, or by a tool that does not say
	}
	return g, nil
}

// title is what the table calls the program: a library with Go code has another around it.
func (g goProcess) title() string {
	if g.Image == "" {
		return g.Main
	}
	return fmt.Sprintf("%s in %s (%s)", g.Main, g.Program, filepath.Base(g.Image))
}

// programName is what the process was started as.
func programName(p *proc.Process) string {
	if args := p.Cmdline(); len(args) > 0 {
		return filepath.Base(args[0])
	}
	return p.Comm()
}

// readableLabels says whether a recording of p would carry its labels, and why or why not.
func readableLabels(p *proc.Process, im goruntime.Image, file io.ReaderAt) (bool, string) {
	var unknown *goruntime.UnknownVersionError
	layout, err := goruntime.ReadTable(file)
	if errors.As(err, &unknown) {
		layout, err = im.Layout(p, file, symbolize.FindFunc(file))
	}
	if err != nil {
		if errors.As(err, &unknown) {
			return false, fmt.Sprintf("layout of %s on %s is not known", printable.Line(unknown.Version), printable.Line(unknown.Arch))
		}
		return false, printable.Line(err.Error())
	}
	if layout.Labels == goruntime.LabelsNone {
		why, _ := noLabels(layout)
		return false, why
	}
	if err := p.Readable(); err != nil {
		return false, printable.Line(err.Error())
	}
	return true, "layout of " + printable.Line(layout.Version) + " from " + layout.From
}

// userOf names the user of the process, by number when the system has no name for it.
func userOf(p *proc.Process) string {
	uid, err := p.UID()
	if err != nil {
		return "?"
	}
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return printable.Line(u.Username)
	}
	return id
}

// noLabels says why a layout has none. It is a loss if the program can have some: one without the function that sets them cannot.
func noLabels(l *goruntime.Layout) (why string, lost bool) {
	if slices.Contains(l.Denied, "g.labels") {
		return "not found in the code of " + printable.Line(l.Version), true
	}
	return "none: nothing in the program sets labels", false
}
