package profiler_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

var cycles = flag.Int("cycles", 6, "how many recordings TestCycles begins and ends")

// held is what this process holds.
type held struct {
	fds, threads int
	heap         uint64 // bytes, after a collection
}

func holds(t *testing.T) (h held) {
	t.Helper()
	count := func(dir string) int {
		all, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers released in the first
	runtime.ReadMemStats(&m)
	return held{count("/proc/self/fd"), count("/proc/self/task"), m.HeapAlloc}
}

// objects are the ids of the eBPF objects that this process has open, as its descriptors tell, by kind:
// prog_id, map_id, link_id.
func objects(dst map[string]map[uint32]bool) {
	files, _ := filepath.Glob("/proc/self/fdinfo/*")
	for _, f := range files {
		text, _ := os.ReadFile(f) // it may be closed by now
		for _, line := range strings.Split(string(text), "\n") {
			kind, value, _ := strings.Cut(line, ":")
			if ids := dst[kind]; ids != nil {
				if id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32); err == nil {
					ids[uint32(id)] = true
				}
			}
		}
	}
}

// exists says whether the kernel still has an eBPF object.
func exists(kind string, id uint32) (bool, error) {
	var err error
	switch kind {
	case "prog_id":
		var p *ebpf.Program
		if p, err = ebpf.NewProgramFromID(ebpf.ProgramID(id)); err == nil {
			p.Close()
		}
	case "map_id":
		var m *ebpf.Map
		if m, err = ebpf.NewMapFromID(ebpf.MapID(id)); err == nil {
			m.Close()
		}
	case "link_id":
		var l link.Link
		if l, err = link.NewFromID(link.ID(id)); err == nil {
			l.Close()
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Recordings of a saturated program, begun and ended many times, leave nothing behind: no descriptor, no
// thread, no memory, no eBPF program, map or link.
func TestCycles(t *testing.T) {
	x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", fmt.Sprint(4*runtime.NumCPU()))
	made := map[string]map[uint32]bool{"prog_id": {}, "map_id": {}, "link_id": {}}
	cycle := func(i int) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := profiler.Options{Mode: profiler.Wall, Engine: profiler.EBPF, Started: func(profiler.Summary) {
			objects(made)
			time.AfterFunc(time.Duration(i%4)*10*time.Millisecond, cancel)
		}}
		o.Keep.Timeline = i%2 == 1
		_, err := profiler.Record(ctx, x.PID, o)
		target.Need(t, err)
	}
	const warm = 3 // what is made once: caches, and threads that the runtime keeps
	for i := range warm {
		cycle(i)
	}
	before := holds(t)
	for i := range *cycles {
		cycle(i)
	}
	after := holds(t)
	t.Logf("%d cycles: %+v before, %+v after; %d programs, %d maps and %d links were made", *cycles, before, after,
		len(made["prog_id"]), len(made["map_id"]), len(made["link_id"]))
	if after.fds > before.fds {
		t.Errorf("%d descriptors, %d before", after.fds, before.fds)
	}
	if after.threads > before.threads+runtime.GOMAXPROCS(0)+2 {
		t.Errorf("%d threads, %d before", after.threads, before.threads)
	}
	if after.heap > before.heap+1<<20 {
		t.Errorf("%d bytes of heap, %d before", after.heap, before.heap)
	}
	if len(made["prog_id"]) < warm+*cycles || len(made["map_id"]) < warm+*cycles {
		t.Errorf("%d programs and %d maps were seen in %d recordings", len(made["prog_id"]), len(made["map_id"]), warm+*cycles)
	}
	gone(t, made)
	x.Stop()
}

// gone fails the test if an eBPF object is still there after ten seconds: the kernel frees them late, behind
// grace periods of RCU.
func gone(t *testing.T, made map[string]map[uint32]bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		left := 0
		for kind, ids := range made {
			for id := range ids {
				there, err := exists(kind, id)
				target.Need(t, err)
				if there {
					left++
				} else {
					delete(ids, id)
				}
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("eBPF objects left: %v", made)
		}
	}
}
