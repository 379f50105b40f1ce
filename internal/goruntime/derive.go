package goruntime

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"
)

// A release that the table does not know is read from the code of its own runtime. A few functions,
// which have kept their names and their work for many years, use each of the fields that matter in
// a way that no other field is used (runtime/asm_amd64.s, asm_arm64.s, proc.go, traceback.go,
// os_linux.go). A rule names the function and the use. What no rule finds is denied by its name and
// not guessed; what is found has to hold in the live process as well, before the first sample (the
// checks of package goroutine, and of each sample on a CPU).

// fromCode sets the fields that the rules find. known says that the fields are those of the release's
// minor version; else they are of the newest that the table has, and what is not found is denied.
func (l *Layout) fromCode(f *elf.File, fn FindFunc, known bool) error {
	d := &deriver{code: &code{file: f, fn: fn}, f: &l.Fields, found: map[*int32]bool{}}
	if !known {
		l.Fields.newest(l.Arch)
	}
	d.thread()
	d.goroutine()
	d.birth()
	d.waits()
	if known {
		return nil // what no rule finds is where it is in other patch releases
	}
	return l.deny(d)
}

// deny takes back what was not found. Fields of pollDesc and poll.FD stay: each use of them proves
// itself (goroutine/peer.go).
func (l *Layout) deny(d *deriver) error {
	var missing []string
	var err error
	l.Fields.each(func(x field) {
		if d.found[x.offset] || *x.offset == None || x.typ == "runtime.pollDesc" || x.typ == "internal/poll.FD" {
			return
		}
		*x.offset = None
		missing = append(missing, strings.TrimPrefix(x.name(), "runtime."))
		if x.core && err == nil {
			err = fmt.Errorf("%s is not found in the code of its runtime", x.name())
		}
	})
	l.From = FromCode
	l.Doubt = fmt.Sprintf("%s is not known to this mayfly: offsets are those of its runtime's code", l.Version)
	l.Denied = missing
	return err
}

// thread finds fields of m. systemstack takes m from g and holds g against gsignal, g0 and curg, in
// this order; minit stores the thread id.
func (d *deriver) thread() {
	g, m := &d.f.G, &d.f.M
	uses := d.accesses("runtime.systemstack")
	if len(uses) == 0 {
		uses = d.accesses("runtime.systemstack.abi0")
	}
	i := slices.IndexFunc(uses, func(a access) bool { return a.size == 8 && a.use == load && a.disp >= 32 && a.disp < 128 })
	if i < 0 {
		return
	}
	var of []int32 // m
	for _, a := range uses[i+1:] {
		if a.base == uses[i].reg && a.size == 8 && len(of) < 3 {
			of = append(of, a.disp)
		}
	}
	if len(of) < 3 || of[1] != 0 || of[0] <= 0 || of[2] <= of[0] || of[2] > maxField {
		return
	}
	d.set(&g.M, uses[i].disp)
	d.set(&m.GSignal, of[0])
	d.set(&m.G0, of[1])
	d.set(&m.Curg, of[2])
	d.procid()
}

// procid: minit does nothing else with m.
func (d *deriver) procid() {
	holds := noReg
	for _, a := range d.accesses("runtime.minit") {
		switch {
		case a.use == load && a.disp == d.f.G.M && a.size == 8:
			holds = a.reg
		case a.use == store && a.base == holds && holds != noReg && a.size == 8 && a.disp > 0 && a.disp < maxField:
			d.set(&d.f.M.Procid, a.disp)
			return
		}
	}
}

// goroutine finds fields of g.
func (d *deriver) goroutine() {
	g := &d.f.G
	// The compiler's prologues know the word behind these (runtime/runtime2.go, "offset known to").
	d.set(&g.StackLo, 0)
	d.set(&g.StackHi, 8)
	d.buffer()
	d.park()
	d.sequence()
	d.size()
	// isSystemGoroutine begins by looking up the start function.
	for _, a := range d.accesses("runtime.isSystemGoroutine") {
		if a.use == load && a.size == 8 && a.base != d.gReg() && a.disp > 128 && a.disp < maxField {
			d.set(&g.StartPC, a.disp)
			break
		}
	}
	d.labels()
}

// labels: setProfLabel stores them and nothing else. A program without it has none.
func (d *deriver) labels() {
	const name = "runtime/pprof.runtime_setProfLabel"
	if _, _, ok := d.fn(name); !ok {
		d.set(&d.f.G.Labels, None)
		return
	}
	for _, a := range d.accesses(name) {
		if a.use == store && a.size == 8 && a.disp > 128 && a.disp < maxField {
			d.set(&d.f.G.Labels, a.disp)
		}
	}
}

// buffer finds g.sched, into which mcall stores stack pointer, program counter and frame pointer, in
// this order in memory; behind it are the same of a system call, which reentersyscall stores.
func (d *deriver) buffer() {
	g := &d.f.G
	var at []int32
	for _, a := range d.accesses("runtime.mcall") {
		if a.use == store && a.base == d.gReg() && a.size == 8 && a.reg != noReg && a.disp > 16 {
			at = append(at, a.disp)
		}
	}
	slices.Sort(at)
	at = slices.Compact(at)
	if len(at) != 3 || at[1] != at[0]+8 {
		return
	}
	d.set(&g.SchedSP, at[0])
	d.set(&g.SchedPC, at[1])
	d.set(&g.SchedBP, at[2])
	sp, pc, bp := at[2]+8, at[2]+16, at[2]+24
	stores := d.stores("runtime.reentersyscall")
	if stores[sp] && stores[pc] {
		d.set(&g.SyscallSP, sp)
		d.set(&g.SyscallPC, pc)
		d.set(&g.SyscallBP, None)
		if stores[bp] {
			d.set(&g.SyscallBP, bp)
		}
	}
}

// stores returns the distances at which a function stores words.
func (d *deriver) stores(name string) map[int32]bool {
	at := map[int32]bool{}
	for _, a := range d.accesses(name) {
		if a.use == store && a.size == 8 {
			at[a.disp] = true
		}
	}
	return at
}

// park finds what gopark reads and writes of m.curg: the status, then, as the only byte, the wait
// reason. The id is behind the status, the time before the reason; a traceback's header prints both.
func (d *deriver) park() {
	g := &d.f.G
	if !d.found[&d.f.M.Curg] {
		return
	}
	gp := noReg
	for _, a := range d.accesses("runtime.gopark") {
		switch {
		case gp == noReg && a.use == load && a.disp == d.f.M.Curg && a.size == 8:
			gp = a.reg
		case gp == noReg || a.base != gp:
		case a.use == load && a.size == 4 && !d.found[&g.Status]:
			d.set(&g.Status, a.disp)
		case a.use == store && a.size == 1 && a.disp > 0 && !d.found[&g.WaitReason]:
			d.set(&g.WaitReason, a.disp)
		}
	}
	for _, a := range d.accesses("runtime.goroutineheader") {
		switch {
		case a.use != load || a.size != 8:
		case d.found[&g.Status] && a.disp == g.Status+8:
			d.set(&g.Goid, a.disp)
		case d.found[&g.WaitReason] && a.disp == g.WaitReason-8:
			d.set(&g.WaitSince, a.disp)
		}
	}
}

// sequence finds trackingSeq, the byte that casgstatus counts up.
func (d *deriver) sequence() {
	read := map[int32]bool{}
	for _, a := range d.accesses("runtime.casgstatus") {
		switch {
		case a.size != 1 || a.disp < 128 || a.disp > maxField:
		case a.use == load:
			read[a.disp] = true
		case a.use == store && read[a.disp] && (a.reg != noReg || d.file.Machine == elf.EM_X86_64):
			d.set(&d.f.G.TrackingSeq, a.disp)
			return
		}
	}
}

// size: malg makes a g, of the type that it gives newobject (internal/abi/type.go: the size first,
// the kind at byte 23).
func (d *deriver) size() {
	const kindStruct = 25
	for _, r := range only(d.refs("runtime.malg"), address) {
		typ := d.bytes(r.addr, 24)
		if len(typ) < 24 || typ[23]&31 != kindStruct {
			continue
		}
		size, pointers := word(typ), word(typ[8:])
		if size >= 256 && size <= maxField && size%8 == 0 && pointers <= size {
			d.set(&d.f.G.Size, int32(size))
			return
		}
	}
}

// birth finds what newproc1 stores in a new g: the pc of the go statement and the id of the goroutine
// that executed it, which stand before the start function and what it was created for.
func (d *deriver) birth() {
	g := &d.f.G
	d.set(&d.f.Sched.GoidGen, 0) // the first field ever since Go 1.2; FindVars looks at how newproc1 uses it
	stores := d.stores("runtime.newproc1")
	if !d.found[&g.StartPC] || !stores[g.StartPC] {
		return
	}
	pc := g.StartPC - 16
	if stores[pc] {
		d.set(&g.GoPC, pc)
	}
	d.set(&g.ParentGoid, None)
	loaded := map[int]int32{} // register -> distance that it was loaded from
	for _, a := range d.accesses("runtime.newproc1") {
		if a.use == load {
			loaded[a.reg] = a.disp
		} else if a.use == store && a.disp == pc-8 && a.reg != noReg && loaded[a.reg] == g.Goid {
			d.set(&g.ParentGoid, pc-8)
		}
	}
}
