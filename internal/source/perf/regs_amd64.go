package perf

// Numbers of arch/x86/include/uapi/asm/perf_regs.h.
const regsMask = 1<<6 | 1<<7 | 1<<8 | 1<<22 // BP, SP, IP, R14

func (w *words) regs() (r regs) {
	r.bp, r.sp, r.pc, r.g = w.next(), w.next(), w.next(), w.next()
	return r
}
