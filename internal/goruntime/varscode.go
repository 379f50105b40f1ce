package goruntime

import "debug/elf"

// A stripped executable has no symbol table, but its code still says where the variables are: the
// instructions that use them hold the address. pclntab, which stripping leaves alone, says where
// each function is. So a rule per variable names functions that use it and the instruction to look
// at. The rules were checked against the symbol tables of Go 1.19 to 1.26 on amd64 and arm64, and
// are on every test run; what they find is never trusted blindly: the goroutine table is checked
// before the first sample.

// before returns the variable of which lock is a field near its start, sched: newproc1 takes ids from
// sched.goidgen, the first field.
func (c *code) before(lock uint64, refs []ref) (sched uint64) {
	const near = 128
	for _, r := range refs {
		if r.addr < lock && lock-r.addr <= near {
			sched = max(sched, r.addr)
		}
	}
	return sched
}

// waitReasons: waitReason.String holds its receiver against the length of the array that it indexes.
func (c *code) waitReasons() (addr uint64, n int) {
	const fewest, most = 20, 250
	name := "runtime.waitReason.String"
	for _, k := range c.constants(name) {
		if k >= fewest && k <= most {
			n = int(k)
			break
		}
	}
	for _, r := range only(c.refs(name), address) { // the other is of "unknown wait reason", which is constant
		if n > 0 && writable(c.file, r.addr) {
			return r.addr, n
		}
	}
	return 0, 0
}

// slicePair returns the first variable of which both the first and the second word are read:
// retake compares its index with len(allp) before it loads from allp.
func slicePair(refs []ref) uint64 {
	read := make(map[uint64]bool)
	for _, r := range refs {
		read[r.addr] = read[r.addr] || r.use == load || r.use == compare
	}
	for _, r := range refs {
		if read[r.addr] && read[r.addr+8] {
			return r.addr
		}
	}
	return 0
}

// gcPhase: gcMarkDone begins by comparing gcphase with _GCmark, 1 (runtime/mgc.go).
func (c *code) gcPhase() uint64 {
	for _, r := range c.refs("runtime.gcMarkDone") {
		if c.file.Machine == elf.EM_X86_64 && r.use == compare && r.imm == 1 || c.file.Machine == elf.EM_AARCH64 && r.use == load {
			return r.addr
		}
	}
	return 0
}

// sweepGen: prepareForSweep begins by loading mheap_.sweepgen (runtime/mcache.go). No symbol has this
// address, a field's.
func (c *code) sweepGen() uint64 {
	loads := only(c.refs("runtime.(*mcache).prepareForSweep"), load)
	if len(loads) == 0 || loads[0].size != 4 {
		return 0
	}
	return loads[0].addr
}

// common returns the variable whose address most of the functions take, 0 when fewer than half
// agree.
func (c *code) common(functions []string) uint64 {
	votes := make(map[uint64]int)
	var best uint64
	for _, name := range functions {
		voted := make(map[uint64]bool)
		for _, r := range only(c.refs(name), address) {
			if !voted[r.addr] {
				voted[r.addr] = true
				votes[r.addr]++
			}
			if votes[r.addr] > votes[best] {
				best = r.addr
			}
		}
	}
	if votes[best] < len(functions)/2 {
		return 0
	}
	return best
}
