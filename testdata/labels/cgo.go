//go:build cgo

package main

/*
static volatile unsigned long c_sink;

// About 20 ms.
static void __attribute__((noinline)) burn_in_c(void) {
	unsigned long x = c_sink;
	for (long i = 0; i < 20000000; i++) {
		x = x * 31 + i;
		__asm__ volatile("" : "+r"(x));
	}
	c_sink = x;
}

// About a microsecond.
static void __attribute__((noinline)) short_c(void) {
	unsigned long x = c_sink;
	for (long i = 0; i < 1000; i++) {
		x = x * 31 + i;
		__asm__ volatile("" : "+r"(x));
	}
	c_sink = x;
}

// C's thread-local variables share a block with Go's word for g, whose place in it is no constant
// then: initialized ones come before it, the others behind.
static __thread int c_before = 1;
static __thread long c_behind[3];
static long touch_tls(int i) { return c_before += c_behind[i] += i; }
*/
import "C"

import "github.com/mayfly-profiler/mayfly/testdata/run"

func init() {
	C.touch_tls(1)
	burners = append(burners,
		&burner{name: "cgo", Func: "main.burnC", labels: set("cgo", 3), burn: burnC},
		&burner{name: "cgocall", Func: "main.callC", labels: set("cgocall", 3), burn: callC})
}

//go:noinline
func burnC(b *burner) {
	for ; !run.Stopped(); b.Work++ {
		C.burn_in_c()
	}
}

//go:noinline
func callC(b *burner) {
	for ; !run.Stopped(); b.Work++ {
		C.short_c()
	}
}
