package profiler

import (
	"os"
	"sync"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// What an executable says of its runtime is the same for all processes that execute it, and to find it is most of what it takes to begin a
// recording. So recordings that have one file open at the same time find it once (symbolize/shared.go says how a file is known).

// executable is one, and what it says.
type executable struct {
	id    proc.FileID // zero: of one recording
	users int         // recordings; under executables.mu

	mu     sync.Mutex // of what is found when it is asked for
	layout *goruntime.Layout
	known  bool // what it was built of:
	build  []string
	main   string
	vars   *goruntime.Vars
	text   *bpf.Text // at link-time addresses
}

var executables = struct {
	mu  sync.Mutex
	all map[proc.FileID]*executable
}{all: make(map[proc.FileID]*executable)}

// executableOf is what is known of an executable, which stays open until leave.
func executableOf(f *os.File) *executable {
	id, ok := proc.Identify(f)
	if !ok {
		return new(executable)
	}
	executables.mu.Lock()
	defer executables.mu.Unlock()
	p := executables.all[id]
	if p == nil {
		p = &executable{id: id}
		executables.all[id] = p
	}
	p.users++
	return p
}

// leave ends what executableOf began.
func (p *executable) leave() {
	if p == nil || p.id == (proc.FileID{}) {
		return
	}
	executables.mu.Lock()
	defer executables.mu.Unlock()
	if p.users--; p.users == 0 {
		delete(executables.all, p.id)
	}
}

// findLayout finds the layout, by find, and what the program was built of.
func (p *executable) findLayout(f *os.File, find func() (*goruntime.Layout, error)) (l *goruntime.Layout, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known {
		p.known = true
		if bi, err := goruntime.BuildInfo(f); err == nil {
			p.build, p.main = goruntime.CodeSettings(bi), goruntime.MainPackage(bi)
		}
	}
	if p.layout == nil {
		p.layout, err = find()
	}
	return p.layout, err
}

// findVars finds the runtime's variables.
func (p *executable) findVars(f *os.File, l *goruntime.Layout, bin *symbolize.Binary) (v *goruntime.Vars, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.vars == nil {
		p.vars, err = goruntime.FindVars(f, l, bin.Func)
	}
	return p.vars, err
}

// findText finds where the code is that stacks are not followed through as through other code.
func (p *executable) findText(bin *symbolize.Binary) *bpf.Text {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text == nil {
		p.text = textOf(bin)
	}
	return p.text
}

func textOf(bin *symbolize.Binary) *bpf.Text {
	c := &bpf.Text{Sigtramp: assembly(bin, names.SignalEntry), Cgocallback: assembly(bin, names.Callback)}
	c.All[0], c.All[1] = bin.Text()
	for f, delta := range bin.Framed() {
		c.Framed = append(c.Framed, bpf.Framed{From: f[0], To: f[1], Delta: uint32(delta)})
	}
	return c
}

// assembly is where a function is that is written in assembly.
func assembly(bin *symbolize.Binary, name string) [2]uint64 {
	lo, hi, ok := bin.Func(name + names.ABI0)
	if !ok {
		lo, hi, _ = bin.Func(name)
	}
	return [2]uint64{lo, hi}
}

// loaded is a text at a load bias.
func loaded(c *bpf.Text, bias uint64) bpf.Text {
	at := bpf.Text{Framed: make([]bpf.Framed, len(c.Framed))}
	for _, r := range []struct{ to, from *[2]uint64 }{{&at.All, &c.All}, {&at.Sigtramp, &c.Sigtramp}, {&at.Cgocallback, &c.Cgocallback}} {
		if r.from[1] != 0 {
			*r.to = [2]uint64{r.from[0] + bias, r.from[1] + bias}
		}
	}
	for i, f := range c.Framed {
		at.Framed[i] = bpf.Framed{From: f.From + bias, To: f.To + bias, Delta: f.Delta}
	}
	return at
}
