package perf

// Numbers of arch/arm64/include/uapi/asm/perf_regs.h. Not run on hardware.
const regsMask = 1<<28 | 1<<29 | 1<<30 | 1<<31 | 1<<32 // X28, X29 (frame pointer), LR, SP, PC

func (w *words) regs() (r regs) {
	r.g, r.bp, r.lr, r.sp, r.pc = w.next(), w.next(), w.next(), w.next(), w.next()
	return r
}
