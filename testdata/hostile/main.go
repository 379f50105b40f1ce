// Command hostile has escape sequences in every name that somebody else may print: its own and its threads' names,
// labels, a mapped file, the answers of its HTTP server. evilFunctionName0123 and evil_file_name_0123.go are for whoever builds it to
// patch in the executable. Truth: its requests, each a goroutine with a label "request".
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

const escapes = "\x1b]0;PWNED\x07\x1b[2J\x1b[31m\u009b31m\u202e\r\n\x7f"

var requests int64

func main() {
	flag.Parse()
	name("main" + escapes)
	mapFile()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	run.Check(err)
	go http.Serve(l, http.HandlerFunc(answer))
	go drive()
	run.Ready()
	run.Wait()
	run.Truth(map[string]interface{}{"requests": atomic.LoadInt64(&requests)})
}

// answer looks like the index of net/http/pprof, and fails with escapes when asked for a profile.
func answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/debug/pprof/" {
		fmt.Fprint(w, "<title>/debug/pprof/</title> goroutine?debug= profile?debug=")
		return
	}
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprint(w, escapes+"mayfly: all fine")
}

// name names the calling thread (prctl(2), PR_SET_NAME).
func name(s string) {
	b := append([]byte(s), 0)
	syscall.RawSyscall(syscall.SYS_PRCTL, 15, uintptr(unsafe.Pointer(&b[0])), 0)
}

// mapFile maps a file that is no executable, as code.
func mapFile() {
	dir, err := os.MkdirTemp("", "hostile")
	run.Check(err)
	path := filepath.Join(dir, "lib\x1b]0;PWNED\x07\x1b[2J.so")
	run.Check(os.WriteFile(path, make([]byte, 8192), 0o600))
	f, err := os.Open(path)
	run.Check(err)
	_, err = syscall.Mmap(int(f.Fd()), 0, 8192, syscall.PROT_READ|syscall.PROT_EXEC, syscall.MAP_PRIVATE)
	run.Check(err)
	run.Check(os.RemoveAll(dir))
}

var lock sync.Mutex

// drive starts 200 requests a second, in goroutines of their own, two of which may meet at the lock.
func drive() {
	runtime.LockOSThread()
	name("t" + escapes)
	for !run.Stopped() {
		for range [2]int{} {
			n := atomic.AddInt64(&requests, 1)
			labels := pprof.Labels("endpoint", "/a"+escapes, "key"+escapes, "value"+escapes, "request", fmt.Sprint(escapes, n))
			go pprof.Do(context.Background(), labels, func(context.Context) { evilFunctionName0123(int(n)) })
		}
		time.Sleep(10 * time.Millisecond)
	}
}
