package profiler

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// layout reads where the target's runtime keeps goroutines and labels. An unknown version is no
// reason to fail: samples without labels are worth having.
func (r *recording) layout() (*goruntime.Layout, error) {
	f, err := r.findImage()
	if err != nil {
		return nil, err
	}
	r.keepImage(f)
	l, err := r.shared.findLayout(f, func() (*goruntime.Layout, error) { return r.image.Layout(r.target, f, symbolize.FindFunc(f)) })
	r.summary.Target.Build, r.summary.Target.Main = r.shared.build, r.shared.main
	var unknown *goruntime.UnknownVersionError
	switch {
	case errors.As(err, &unknown):
		r.deny("goroutine ids, labels and states: " + err.Error())
		r.summary.Target.GoVersion = unknown.Version
		return nil, nil
	case err != nil:
		return nil, r.place(err)
	}
	r.summary.Target.GoVersion, r.summary.Target.Layout = l.Version, l.From
	if len(l.Denied) > 0 {
		r.deny(fmt.Sprintf("what hangs on these fields of the runtime, which are not found in the code of %s: %s",
			l.Version, strings.Join(l.Denied, ", ")))
	}
	return l, nil
}

// keepImage keeps the file with the Go runtime until the recording is closed. What it says of a library depends on the process, too.
func (r *recording) keepImage(f *os.File) {
	r.dropImage()
	if r.exe, r.shared = f, new(executable); r.image.Exe {
		r.shared = executableOf(f)
	}
}

func (r *recording) dropImage() {
	r.shared.leave()
	if r.exe != nil {
		r.exe.Close()
	}
}

// name is what error messages call the target.
func (r *recording) name() string {
	if p := r.options.Pending; p != nil {
		return p.Exe
	}
	return fmt.Sprintf("%d (%s)", r.target.PID(), r.target.Comm())
}

// place puts before an error what was done to which process.
func (r *recording) place(err error) error {
	return fmt.Errorf("%s %s: %w", cmp.Or(r.doing, "record"), r.name(), err)
}

// findImage finds and opens the file with the Go runtime.
func (r *recording) findImage() (*os.File, error) {
	if r.options.Pending != nil {
		r.image = goruntime.Image{Exe: true}
		return r.openImage()
	}
	var err error
	if r.image, err = r.images.Find(r.target); err != nil {
		return nil, r.place(err)
	}
	if !r.image.Exe {
		r.summary.Target.Image = r.image.Mapping.Path
	}
	r.denyImages(r.image.Others)
	return r.openImage()
}

// denyImages says what else with a Go runtime is in the process.
func (r *recording) denyImages(others []string) {
	if len(others) > 0 {
		r.deny("goroutines of other Go libraries in the process, each of which has a runtime of its own: " + strings.Join(others, ", "))
	}
}

// finishImages looks for Go libraries that were loaded since the recording began. Executables are not searched for any.
func (r *recording) finishImages() {
	if r.image.Exe || r.replaced() {
		return
	}
	im, err := r.images.Find(r.target)
	if err != nil {
		return // it has ended
	}
	var later []string
	for _, path := range append(im.Others, im.Mapping.Path) {
		if path != r.image.Mapping.Path && !slices.Contains(r.image.Others, path) {
			later = append(later, path)
		}
	}
	r.image.Others = append(r.image.Others, later...)
	r.denyImages(later)
}

func (r *recording) openImage() (*os.File, error) {
	if p := r.options.Pending; p != nil {
		return os.Open(p.Exe)
	}
	return r.image.Open(r.target)
}

// golang returns the tables of the image's Go functions, nil if they cannot be read, and its load bias.
func (r *recording) golang() (*symbolize.Binary, uint64) {
	if r.image.Exe {
		return r.symbols.Main()
	}
	return r.symbols.At(r.image.Mapping.Start)
}
