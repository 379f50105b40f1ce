package diff

import (
	"runtime"
	"sync"
)

// fewRows is how many rows are not worth a second CPU.
const fewRows = 1000

// each calls do for each row from 0 to n-1, on all CPUs. Rows know nothing of each other: each result is what it would be on one.
func each(n int, do func(i int)) {
	workers := runtime.GOMAXPROCS(0)
	if n < fewRows {
		workers = 1
	}
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := n * w / workers; i < n*(w+1)/workers; i++ {
				do(i)
			}
		})
	}
	all.Wait()
}
