package elfx

// Pointers in a position-independent file are not in place: the dynamic linker writes them, as
// told by relocations. The only kind that matters for data of one file is RELATIVE: "load bias
// plus addend". With RELA the addend is in the relocation (and, with Go's linker and GNU ld, in
// place as well); with the compact RELR the addend is in place. So a pointer is what the file
// holds, unless a RELA entry says otherwise.

const (
	dtNull   = 0
	dtRela   = 7
	dtRelasz = 8

	relaSize = 24
	maxRela  = 512 << 20 // bytes

	amd64Relative = 8    // R_X86_64_RELATIVE
	arm64Relative = 1027 // R_AARCH64_RELATIVE
)

func (f *File) findRela() {
	for _, d := range f.dynamic {
		b := f.Bytes(d.Off, min(d.Filesz, 64<<10))
		var addr, size uint64
		for ; len(b) >= 16; b = b[16:] {
			tag, v := le.Uint64(b), le.Uint64(b[8:])
			if tag == dtNull {
				break
			}
			switch tag {
			case dtRela:
				addr = v
			case dtRelasz:
				size = v
			}
		}
		if off, avail, ok := f.Offset(addr); ok && size <= min(avail, maxRela) {
			f.rela = Segment{Off: off, Filesz: size}
			return
		}
	}
}

// Relative calls fn with the target address and the addend of every RELATIVE relocation, until
// fn returns false.
func (f *File) Relative(fn func(addr, addend uint64) bool) {
	kind := uint32(amd64Relative)
	if f.Machine == ARM64 {
		kind = arm64Relative
	}
	buf := make([]byte, min(f.rela.Filesz, relaSize*4096))
	for done := uint64(0); done+relaSize <= f.rela.Filesz; {
		n, _ := f.r.ReadAt(buf[:min(uint64(len(buf)), f.rela.Filesz-done)], int64(f.rela.Off+done))
		n -= n % relaSize
		if n == 0 {
			return
		}
		for b := buf[:n]; len(b) > 0; b = b[relaSize:] {
			if le.Uint32(b[8:]) == kind && !fn(le.Uint64(b), le.Uint64(b[16:])) {
				return
			}
		}
		done += uint64(n)
	}
}

// Words reads n words from a link-time address, with relocations applied. It returns nil when
// the file does not hold all of them.
func (f *File) Words(addr uint64, n int) []uint64 {
	off, avail, ok := f.Offset(addr)
	size := uint64(8 * n)
	if !ok || avail < size {
		return nil
	}
	b := f.Bytes(off, size)
	if uint64(len(b)) < size {
		return nil
	}
	w := make([]uint64, n)
	for i := range w {
		w[i] = le.Uint64(b[8*i:])
	}
	f.Relative(func(at, addend uint64) bool {
		if at >= addr && at-addr < size && (at-addr)%8 == 0 {
			w[(at-addr)/8] = addend
		}
		return true
	})
	return w
}
