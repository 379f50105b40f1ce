// Command labels burns CPU on one goroutine per label set and knows every set by heart.
//
// The value of the label "set" names the set: s3, s12, s27 and s40 have that many labels in all,
// s4k has one value of 4 KiB, nested is a set to which a child goroutine added labels of its own;
// one more goroutine has no labels. The others are k00, k01, ... with values that follow from set
// and number. The maps that Go <= 1.23 keeps labels in grow at the 27th entry at the latest, and as
// nothing is inserted after it, some of s27 stay in the old buckets, unless it grew before.
//
// Truth: per set the goroutine's id, the function it burns in, its labels and the number of equal
// pieces of work that it did. Built with cgo there are two more sets: "cgo" spends nearly all its
// time in one C function, "cgocall" calls a short one again and again.
package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// burner is one goroutine; it owns its fields until it is done.
type burner struct {
	Func   string            `json:"func"`
	Goid   uint64            `json:"goid"`
	Labels map[string]string `json:"labels"`
	Work   uint64            `json:"work"`

	name   string
	labels []string // key, value, ...
	child  []string // labels to add in a goroutine started under labels
	burn   func(*burner)
	acc    uint64
}

var burners = []*burner{
	{name: "s3", Func: "main.burn3", labels: set("s3", 3), burn: burn3},
	{name: "s12", Func: "main.burn12", labels: set("s12", 12), burn: burn12},
	{name: "s27", Func: "main.burn27", labels: set("s27", 27), burn: burn27},
	{name: "s40", Func: "main.burn40", labels: set("s40", 40), burn: burn40},
	{name: "s4k", Func: "main.burn4k", labels: append(set("s4k", 2), "big", big()), burn: burn4k},
	{name: "nested", Func: "main.burnNested", labels: set("nested", 2), child: set("nested", 5)[4:], burn: burnNested},
	{name: "", Func: "main.burnPlain", burn: burnPlain},
}

// set returns n labels: "set", k00, k01, ...
func set(name string, n int) []string {
	kv := []string{"set", name}
	for i := 0; i < n-1; i++ {
		kv = append(kv, fmt.Sprintf("k%02d", i), fmt.Sprintf("%s-%02d-%s", name, i, strings.Repeat("v", i%13)))
	}
	return kv
}

// big is a value of 4096 bytes: abc...zabc...
func big() string {
	b := make([]byte, 4096)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}

func (b *burner) run(ready, done *sync.WaitGroup) {
	b.Labels = map[string]string{}
	for kv := append(append([]string(nil), b.labels...), b.child...); len(kv) > 0; kv = kv[2:] {
		b.Labels[kv[0]] = kv[1]
	}
	start := func(context.Context) {
		defer done.Done()
		b.Goid = run.Goid()
		ready.Done()
		b.burn(b)
	}
	ctx := context.Background()
	switch {
	case b.child != nil:
		go pprof.Do(ctx, pprof.Labels(b.labels...), func(ctx context.Context) {
			go pprof.Do(ctx, pprof.Labels(b.child...), start)
		})
	case b.labels != nil:
		go pprof.Do(ctx, pprof.Labels(b.labels...), start)
	default:
		go start(ctx)
	}
}

// work is one piece of work, about a microsecond.
func work(x uint64) uint64 {
	for i := uint64(0); i < 1000; i++ {
		x = x*31 + i
	}
	return x
}

//go:noinline
func burn3(b *burner) {
	for ; !run.Stopped(); b.Work++ {
		b.acc = work(b.acc)
	}
}

//go:noinline
func burn12(b *burner) {
	for ; !run.Stopped(); b.Work++ {
		b.acc = work(b.acc)
	}
}

//go:noinline
func burn27(b *burner) {
	for ; !run.Stopped(); b.Work++ {
		b.acc = work(b.acc)
	}
}

//go:noinline
func burn40(b *burner) {
	for ; !run.Stopped(); b.Work++ {
		b.acc = work(b.acc)
	}
}

//go:noinline
func burn4k(b *burner) {
	for ; !run.Stopped(); b.Work++ {
		b.acc = work(b.acc)
	}
}

//go:noinline
func burnNested(b *burner) {
	for ; !run.Stopped(); b.Work++ {
		b.acc = work(b.acc)
	}
}

//go:noinline
func burnPlain(b *burner) {
	for ; !run.Stopped(); b.Work++ {
		b.acc = work(b.acc)
	}
}

// sleepLong starts a goroutine with a long label.
func sleepLong(i int) {
	value := fmt.Sprintf("%06d", i) + strings.Repeat("x", 64<<10-16)
	go pprof.Do(context.Background(), pprof.Labels("long", value), func(context.Context) { select {} })
}

func changeProcs(most int) {
	for n := 0; !run.Stopped(); n++ {
		runtime.GOMAXPROCS(1 + n%most)
		time.Sleep(5 * time.Millisecond)
	}
}

func main() {
	procs := flag.Int("procs", 0, "GOMAXPROCS; 0: the runtime's choice")
	change := flag.Bool("change", false, "change GOMAXPROCS all the time, up to -procs and down to 1")
	long := flag.Int("long", 0, "further goroutines, which sleep, each with a value of 64 KiB of its own")
	flag.Parse()
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	var ready, done sync.WaitGroup
	ready.Add(len(burners))
	done.Add(len(burners))
	for _, b := range burners {
		b.run(&ready, &done)
	}
	ready.Wait()
	for i := 0; i < *long; i++ {
		sleepLong(i)
	}
	if *change {
		go changeProcs(*procs)
	}
	run.Ready()
	run.Wait()
	done.Wait()
	truth := run.Measure()
	sets := map[string]*burner{}
	for _, b := range burners {
		sets[b.name] = b
	}
	truth["sets"] = sets
	run.Truth(truth)
}
