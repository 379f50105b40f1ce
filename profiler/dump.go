package profiler

import (
	"context"
	"errors"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// Goroutine is a goroutine of a live process at one moment.
type Goroutine struct {
	ID        uint64            `json:"id"`
	Parent    uint64            `json:"parent,omitempty"` // who created it; 0 before Go 1.21
	State     sample.State      `json:"state"`
	Peer      string            `json:"peer,omitempty"`        // who an "IO wait" waits for: "10.0.0.7:5432", "accept 0.0.0.0:80"
	PeerGroup string            `json:"group,omitempty"`       // the same, but for clients without their port: "client 10.0.0.9"
	IO        string            `json:"io,omitempty"`          // "read" or "write"
	WaitOn    []sample.Object   `json:"wait_on,omitempty"`     // what else (cases of a select), if known; Due is Unix time in ns
	WaitCut   bool              `json:"wait_on_cut,omitempty"` // the select has more cases than WaitOn
	Labels    []sample.Label    `json:"labels,omitempty"`
	Stack     []symbolize.Frame `json:"stack,omitempty"` // leaf first, inlined frames expanded; none while it runs
	CreatedBy *symbolize.Frame  `json:"created_by,omitempty"`
	Function  string            `json:"function,omitempty"` // it began in
	Loss      sample.Loss       `json:"-"`
}

// Dump scans all goroutines once of the process, without stopping it, and returns them by
// ascending id. They are not seen at one and the same moment, but within some 20 us per hundred.
// Errors are those of Record.
func Dump(ctx context.Context, pid int) ([]Goroutine, error) {
	r, err := openTarget(pid, Options{Mode: Wall})
	if err != nil {
		return nil, err
	}
	defer r.leave()
	r.doing = "dump"
	var all []Goroutine
	err = r.enter(ctx, func() error {
		if err := r.openTable(); err != nil {
			return err
		}
		d := dumper{symbols: r.symbols, calls: make(map[uint64][]symbolize.Frame), epoch: proc.Epoch()}
		err := r.table.Snapshot(d.visit)
		all = d.all
		return err
	})
	if err != nil {
		return nil, err // all may still grow
	}
	return all, nil
}

// openTable opens what a scan of the goroutine table needs and nothing else.
func (r *recording) openTable() error {
	layout, err := r.layout()
	if err != nil {
		return err
	}
	if layout == nil {
		err = errors.New(r.summary.Denied[0])
	} else {
		r.symbols, err = symbolize.New(r.target, symbolize.Options{NoKernel: true})
	}
	if err == nil {
		err = r.prepareTable(layout)
	}
	if err == nil {
		err = r.attachTable(layout)
	}
	if err != nil {
		return r.place(err)
	}
	return nil
}

// dumper resolves what a snapshot contains.
type dumper struct {
	symbols *symbolize.Symbolizer
	calls   map[uint64][]symbolize.Frame // by return address
	all     []Goroutine
	epoch   int64 // Unix time of the monotonic clock's zero, ns
}

func (d *dumper) visit(g *goroutine.Goroutine) {
	out := Goroutine{ID: g.ID, Parent: g.ParentID, State: g.State, Labels: g.Labels, Loss: g.Loss, WaitOn: g.WaitOn, WaitCut: g.WaitCut}
	for i := range out.WaitOn {
		if o := &out.WaitOn[i]; o.Due != 0 {
			o.Due += d.epoch
		}
	}
	if out.Peer = g.Peer.Addr; out.Peer != "" {
		out.PeerGroup = g.Peer.String()
		out.IO = map[bool]string{false: "read", true: "write"}[g.Write]
	}
	for _, ra := range g.Stack {
		for _, f := range d.call(ra) {
			if !slices.Contains(names.Goexit, names.Assembly(f.Func)) {
				out.Stack = append(out.Stack, f)
			}
		}
	}
	if n := len(out.Stack); len(g.Stack) > 0 && (n == 0 || slices.Contains(names.CalledByC, names.Assembly(out.Stack[n-1].Func))) {
		out.Stack = append(out.Stack, symbolize.Frame{Func: fold.FrameC})
	}
	if fs := d.call(g.GoPC); g.GoPC != 0 && len(fs) > 0 {
		out.CreatedBy = &fs[len(fs)-1]
	}
	if fs := d.call(g.StartPC + 1); g.StartPC != 0 && len(fs) > 0 {
		out.Function = fs[len(fs)-1].Func
	}
	d.all = append(d.all, out)
}

func (d *dumper) call(ra uint64) []symbolize.Frame {
	fs, ok := d.calls[ra]
	if !ok {
		fs, _ = d.symbols.Resolve(nil, ra-1)
		d.calls[ra] = fs
	}
	return fs
}
