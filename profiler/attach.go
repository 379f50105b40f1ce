package profiler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// attach opens everything that needs the target, in the order of what is likeliest to be refused. What can
// be done before a program that is to be started has begun is done before: it may be over in some
// milliseconds, and its mappings with it.
func (r *recording) attach(ctx context.Context) error {
	layout, err := r.layout()
	if errors.Is(err, ErrNotGo) && !errors.Is(err, goruntime.ErrPacked) && r.options.Pending != nil {
		if err = r.await(ctx); err == nil {
			layout, err = r.layout()
		}
	}
	if err != nil {
		return err
	}
	missing := r.attachCPU(layout)
	if missing != nil && r.options.Engine.forcesCPU() {
		return missing
	}
	wall := (r.options.Mode == Wall || r.source == nil) && layout != nil
	var tableErr error
	if wall {
		tableErr = r.prepareTable(layout)
	}
	if err := r.release(layout); err != nil {
		return err
	}
	if wall && tableErr == nil {
		tableErr = r.attachTable(layout)
	}
	if tableErr != nil {
		r.deny("states of goroutines that are not on a CPU: " + tableErr.Error())
	}
	r.attachCalls(layout)
	if r.source == nil && r.table == nil {
		if missing == nil { // nobody asked for more than the table
			missing = errors.New(r.summary.Denied[len(r.summary.Denied)-1])
		}
		return missing // neither source: the first one's remedy is the one that helps
	}
	keep := r.options.Keep
	keep.Wall, keep.TableOnly = r.options.Mode == Wall && r.table != nil, r.source == nil
	keep.TableToo = keep.Wall && r.source != nil && r.sched == nil && !keep.Timeline
	r.builder = NewBuilder(r.symbols, keep)
	r.builder.Limit(cmp.Or(r.options.MemoryLimit, DefaultMemoryLimit))
	r.summary.Self.Attach = time.Since(r.opened).Nanoseconds()
	return nil
}

// release lets a program begin that is to be started, and opens the symbols of what is mapped.
func (r *recording) release(l *goruntime.Layout) (err error) {
	var o symbolize.Options
	if p := r.options.Pending; p != nil {
		f, err := r.openImage()
		if err != nil {
			return err
		}
		o.Ahead = symbolize.OpenAhead(f)
		if err := r.begin(); err != nil {
			return errors.Join(err, o.Ahead.Close())
		}
	}
	if r.symbols, err = symbolize.New(r.target, o); err != nil {
		return err
	}
	return r.know(l)
}

// begin starts the on-CPU source and then the program.
func (r *recording) begin() error {
	if r.source != nil {
		if err := r.source.Start(); err != nil {
			return err
		}
	}
	r.started = time.Now()
	return r.options.Pending.Release()
}

// layout reads where the target's runtime keeps goroutines and labels. An unknown version is no
// reason to fail: samples without labels are worth having.
func (r *recording) layout() (*goruntime.Layout, error) {
	f, err := r.findImage()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if bi, err := goruntime.BuildInfo(f); err == nil {
		r.summary.Target.Build = goruntime.CodeSettings(bi)
	}
	l, err := r.image.Layout(r.target, f, symbolize.FindFunc(f))
	var unknown *goruntime.UnknownVersionError
	switch {
	case errors.As(err, &unknown):
		r.deny("goroutine ids, labels and states: " + err.Error())
		r.summary.Target.GoVersion = unknown.Version
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("record %s: %w", r.name(), err)
	}
	r.summary.Target.GoVersion, r.summary.Target.Layout = l.Version, l.From
	if len(l.Denied) > 0 {
		r.deny(fmt.Sprintf("what hangs on these fields of the runtime, which are not found in the code of %s: %s",
			l.Version, strings.Join(l.Denied, ", ")))
	}
	return l, nil
}

// name is what error messages call the target.
func (r *recording) name() string {
	if p := r.options.Pending; p != nil {
		return p.Exe
	}
	return fmt.Sprintf("%d (%s)", r.target.PID(), r.target.Comm())
}

// findImage finds and opens the file with the Go runtime.
func (r *recording) findImage() (*os.File, error) {
	if r.options.Pending != nil {
		r.image = goruntime.Image{Exe: true}
		return r.openImage()
	}
	var err error
	if r.image, err = r.images.Find(r.target); err != nil {
		return nil, fmt.Errorf("record %s: %w", r.name(), err)
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
	if r.image.Exe {
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
