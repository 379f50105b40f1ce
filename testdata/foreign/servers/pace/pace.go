// Package pace drives requests in a closed loop or at a rate, for a time, and tells how it went.
package pace

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	Addr     = flag.String("addr", "", "host:port of the server")
	clients  = flag.Int("clients", 16, "clients, each a connection of its own")
	rate     = flag.Float64("rate", 0, "requests a second in all; 0: the next one when the last was answered")
	duration = flag.Duration("d", 10*time.Second, "for how long")
)

// A Client makes requests over a connection of its own.
type Client struct {
	Do    func(n int) error // request n
	Close func()
}

// Run connects the clients, drives them, and prints requests a second and latencies. With a rate,
// latency counts from when the request was due.
func Run(connect func(i int) (Client, error)) {
	var mu sync.Mutex
	var all []time.Duration
	var failed atomic.Int64
	var done sync.WaitGroup
	begin, end := time.Now(), time.Now().Add(*duration)
	for i := range *clients {
		c, err := connect(i)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		done.Go(func() {
			defer c.Close()
			mine := drive(c, begin, end, &failed)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		})
	}
	done.Wait()
	if len(all) == 0 {
		fmt.Fprintln(os.Stderr, "no request was answered")
		os.Exit(1)
	}
	slices.Sort(all)
	fmt.Printf("requests=%d failed=%d rps=%.0f p50=%v p99=%v\n", len(all), failed.Load(),
		float64(len(all))/time.Since(begin).Seconds(), all[len(all)/2], all[len(all)*99/100])
}

func drive(c Client, begin, end time.Time, failed *atomic.Int64) (took []time.Duration) {
	var every time.Duration
	if *rate > 0 {
		every = time.Duration(float64(time.Second) * float64(*clients) / *rate)
	}
	for n := 0; time.Now().Before(end); n++ {
		due := time.Now()
		if every > 0 {
			due = begin.Add(time.Duration(n) * every)
			time.Sleep(time.Until(due))
		}
		if err := c.Do(n); err != nil {
			failed.Add(1)
			continue
		}
		took = append(took, time.Since(due))
	}
	return took
}
