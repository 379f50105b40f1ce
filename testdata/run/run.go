// Package run is what the workload programs share: how they start, when they end, how they tell
// the truth about themselves. It must build with Go 1.19.
package run

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

var (
	duration = flag.Duration("d", 0, "run for this long; 0: until standard input closes (or SIGTERM)")
	start    = time.Now()
	startCPU time.Duration
	stopped  int32
	term     = make(chan os.Signal, 1)
)

// Ready prints the line that says that the workload runs, with fields NAME=VALUE after it, and
// starts the window that Truth tells about.
func Ready(fields ...interface{}) {
	signal.Notify(term, syscall.SIGTERM, os.Interrupt) // before anyone can know that we run
	start, startCPU = time.Now(), CPU()
	fmt.Println(append([]interface{}{"ready"}, fields...)...)
}

// Wait returns when the program should end: after -d, or without it when standard input closes;
// on SIGTERM and SIGINT in any case. Stopped says true from then on.
func Wait() {
	var end <-chan time.Time
	closed := make(chan struct{})
	if *duration > 0 {
		end = time.After(*duration)
	} else {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			close(closed)
		}()
	}
	select {
	case <-term:
	case <-end:
	case <-closed:
	}
	atomic.StoreInt32(&stopped, 1)
}

// Stopped says whether Wait has returned. It costs an atomic load.
func Stopped() bool { return atomic.LoadInt32(&stopped) != 0 }

// Measure ends the window that Ready began and returns what the process did in it: wall_ns and
// cpu_ns, and the Go version. A program adds its own truth to the map and hands it to Truth.
func Measure() map[string]interface{} {
	return map[string]interface{}{
		"wall_ns": time.Since(start).Nanoseconds(),
		"cpu_ns":  (CPU() - startCPU).Nanoseconds(),
		"go":      runtime.Version(),
	}
}

// Truth prints the program's last line: the truth about itself, in JSON.
func Truth(truth map[string]interface{}) {
	line, err := json.Marshal(truth)
	Check(err)
	fmt.Printf("%s\n", line)
}

// Check ends the program when err is not nil.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Page returns a page of 64-bit words shared with whoever else maps the file, or private memory
// when name is "". Word 0 is the program's count of work done, kept up to date while it runs. What
// the other words are for, onoff.go says.
func Page(name string) *[512]uint64 {
	if name == "" {
		return new([512]uint64)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	Check(err)
	defer f.Close()
	Check(f.Truncate(4096))
	b, err := syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	Check(err)
	page := (*[512]uint64)(unsafe.Pointer(&b[0]))
	if shared != nil {
		shared(name, page)
	}
	return page
}

// shared is told of the page where the program is built with the tag onoff.
var shared func(name string, page *[512]uint64)

// CPU is the CPU time that the process has used so far, all threads, by the kernel's count.
func CPU() time.Duration { return clock(2) } // CLOCK_PROCESS_CPUTIME_ID

// ThreadCPU is the same for the calling thread: lock the goroutine to it.
func ThreadCPU() time.Duration { return clock(3) } // CLOCK_THREAD_CPUTIME_ID

func clock(id uintptr) time.Duration {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

// Goid is the id of the calling goroutine, from the first line of its stack dump.
func Goid() uint64 {
	var buf [64]byte
	fields := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	id, err := strconv.ParseUint(string(fields[1]), 10, 64)
	Check(err)
	return id
}
