package fold

import (
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// exactSite resolves an address at which execution was interrupted.
func (b *Builder) exactSite(pc uint64) *site {
	st := b.exact[pc]
	if st == nil {
		st = b.resolve(pc)
		st.delta, st.inGo = b.symbols.SPDelta(pc)
		b.exact[pc] = st
	}
	return st
}

// callSite resolves a return address: the call is the instruction before it. Where a function begins no call
// returns to: that is where a goroutine which has not run yet will begin (runtime.newproc1, g.sched.pc).
func (b *Builder) callSite(ra uint64) *site {
	st := b.calls[ra]
	if st == nil {
		call := ra - 1
		if b.symbols.Entry(ra) {
			call = ra
		}
		st = b.resolve(call)
		st.delta, st.inGo = b.symbols.SPDelta(ra)
		b.calls[ra] = st
	}
	return st
}

func (b *Builder) kernelSite(pc uint64, call bool) *site {
	if call {
		pc--
	}
	st := b.kernel[pc]
	if st == nil {
		frames, m := b.symbols.ResolveKernel(nil, pc)
		st = b.newSite(pc, frames, m)
		b.kernel[pc] = st
	}
	return st
}

func (b *Builder) resolve(pc uint64) *site {
	frames, m := b.symbols.Resolve(nil, pc)
	return b.newSite(pc, frames, m)
}

func (b *Builder) special(name string) *site {
	st := b.synthetic[name]
	if st == nil {
		st = b.newSite(0, []symbolize.Frame{{Func: name}}, -1)
		b.synthetic[name] = st
	}
	return st
}

func (b *Builder) newSite(addr uint64, frames []symbolize.Frame, mapping int) *site {
	st := &site{id: uint32(len(b.sites)), addr: addr, mapping: mapping, frames: frames}
	if n := len(frames); n > 0 {
		st.kind = frames[n-1].Kind
		if st.kind != symbolize.JIT { // whose names are the target's own
			st.role = roles[names.Assembly(frames[n-1].Func)]
		}
	}
	st.part = partOf(st)
	b.sites = append(b.sites, st)
	return st
}
