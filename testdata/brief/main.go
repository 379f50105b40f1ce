// Command brief is over soon: it burns CPU time in an init function and then in main, 10 ms each or
// -burn, and ends. With -workers it starts that many processes of the same program first, which burn
// instead of it, and waits for them: a prefork server's parent. Truth: the functions that burn are
// main.prepare and main.work, half of the time each.
package main

import (
	"flag"
	"os"
	"os/exec"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

const burn = 10 * time.Millisecond

var table = prepare()

//go:noinline
func prepare() uint64 { return spin(burn) }

//go:noinline
func work(d time.Duration) uint64 { return spin(d) }

func spin(d time.Duration) (x uint64) {
	for end := run.CPU() + d; run.CPU() < end; {
		for i := uint64(0); i < 1000; i++ {
			x = x*31 + i
		}
	}
	return x
}

func main() {
	d := flag.Duration("burn", burn, "how long main burns")
	workers := flag.Int("workers", 0, "processes that burn instead of this one")
	flag.Parse()
	var all []*exec.Cmd
	for i := 0; i < *workers; i++ {
		c := exec.Command(os.Args[0], "-burn", d.String())
		c.Stderr = os.Stderr
		run.Check(c.Start())
		all = append(all, c)
	}
	for _, c := range all {
		run.Check(c.Wait())
	}
	if len(all) == 0 {
		table += work(*d)
	}
}
