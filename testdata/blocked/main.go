//go:build linux

// Command blocked has a page of memory that nobody can read: a userfaultfd is registered for it and never served, so that
// whoever touches it waits until the program ends. -after the line ready the value of the label "blocked" of a
// goroutine that waits, and with -burn of one that burns CPU, lies there. Other goroutines, with the
// label "worker", burn and wait as ever.
//
// Where userfaultfd is denied it prints the error number in the line "ready errno=N". Truth: nothing but the process's.
package main

import (
	"context"
	"flag"
	"fmt"
	"runtime/pprof"
	"syscall"
	"time"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

const pageSize = 4096

// The ioctls and structs of linux/userfaultfd.h.
const (
	uffdAPI     = 0xaa
	ioctlAPI    = 0xc018aa3f
	ioctlReg    = 0xc020aa00
	modeMissing = 1
)

type api struct{ api, features, ioctls uint64 }

type register struct{ start, len, mode, ioctls uint64 }

// page is memory that blocks.
func page() ([]byte, syscall.Errno) {
	b, err := syscall.Mmap(-1, 0, pageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	run.Check(err)
	fd, _, errno := syscall.Syscall(sysUserfault, syscall.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return nil, errno
	}
	a := api{api: uffdAPI}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, ioctlAPI, uintptr(unsafe.Pointer(&a))); errno != 0 {
		return nil, errno
	}
	r := register{start: uint64(uintptr(unsafe.Pointer(&b[0]))), len: pageSize, mode: modeMissing}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, ioctlReg, uintptr(unsafe.Pointer(&r))); errno != 0 {
		return nil, errno
	}
	return b, 0
}

// value is a string in the page. Nobody here may read it.
func value(b []byte) (s string) {
	h := (*struct {
		data unsafe.Pointer
		len  int
	})(unsafe.Pointer(&s))
	h.data, h.len = unsafe.Pointer(&b[0]), 100
	return s
}

//go:noinline
func burn() {
	for x := uint64(0); !run.Stopped(); x++ {
		sink = x
	}
}

var sink uint64

func main() {
	after := flag.Duration("after", 0, "when the labels are set")
	both := flag.Bool("burn", false, "a goroutine that burns has the label, too")
	flag.Parse()
	b, errno := page()
	if errno != 0 {
		run.Ready(fmt.Sprintf("errno=%d", errno))
		run.Wait()
		return
	}
	run.Ready()
	go pprof.Do(context.Background(), pprof.Labels("worker", "burns"), func(context.Context) { burn() })
	go pprof.Do(context.Background(), pprof.Labels("worker", "waits"), func(context.Context) { select {} })
	go func() {
		time.Sleep(*after)
		if *both {
			go pprof.Do(context.Background(), pprof.Labels("blocked", value(b)), func(context.Context) { burn() })
		}
		pprof.Do(context.Background(), pprof.Labels("blocked", value(b)), func(context.Context) { time.Sleep(time.Hour) })
	}()
	run.Wait()
	run.Truth(run.Measure())
}
