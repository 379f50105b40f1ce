package demo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime/pprof"
	"sync"
	"time"
)

// The rhythm of the background jobs.
const (
	indexOn, indexOff = 35 * time.Millisecond, 65 * time.Millisecond // a third of a CPU
	stocktakeEvery    = 500 * time.Millisecond
	stocktakeArticles = 8
	scannerTime       = 4 * time.Millisecond // for one article: the write lock is held 32 ms
)

// heartbeats are started by timers of these periods.
var heartbeats = [...]time.Duration{8 * time.Millisecond, 20 * time.Millisecond}

// startJobs starts the background jobs, each with a label of its own. They end with ctx.
func (s *service) startJobs(ctx context.Context, wg *sync.WaitGroup) error {
	scanner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("demo: scanner: %w", err)
	}
	context.AfterFunc(ctx, func() { scanner.Close() })
	start := func(name string, job func(context.Context)) {
		wg.Go(func() { pprof.Do(ctx, pprof.Labels("job", name), job) })
	}
	start("scanner", func(ctx context.Context) { serveScanner(ctx, scanner) })
	start("stocktake", func(ctx context.Context) { s.stocktake(ctx, scanner.Addr().String()) })
	start("reindex", s.reindex)
	for i, every := range heartbeats {
		rng := newRand(s.seed, uint64(2+i))
		start("heartbeat", func(ctx context.Context) { s.heartbeat(ctx, every, rng) })
	}
	return nil
}

// reindex keeps the search index fresh, in one goroutine that lives as long as the service.
func (s *service) reindex(ctx context.Context) {
	for round := uint64(0); ; round++ {
		s.kernels.index.do(round, indexOn)
		if !sleep(ctx, indexOff) {
			return
		}
	}
}

// heartbeat starts a goroutine for a short burst at every tick, as caches, metrics and sessions
// do in a real service. A tick that finds the last burst still running starts one all the same.
func (s *service) heartbeat(ctx context.Context, every time.Duration, rng *rand.Rand) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		seed, burst := rng.Uint64(), time.Millisecond+time.Duration(rng.IntN(500))*time.Microsecond
		wg.Go(func() {
			start := time.Now()
			s.kernels.flush.do(seed, burst)
			s.truth.beat(time.Since(start))
		})
	}
}

// stocktake compares a shelf with the warehouse twice a second. It holds the write transaction
// while it waits for the scanner: every order line that comes meanwhile waits with it.
func (s *service) stocktake(ctx context.Context, scanner string) {
	for shelf := uint32(0); sleep(ctx, stocktakeEvery); shelf++ {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", scanner)
		if err != nil {
			return // the service ends
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		start := time.Now()
		err = s.store.count(shelfOf(shelf), func(sku uint32) (uint64, error) { return scan(conn, sku) })
		s.truth.stocktake(time.Since(start))
		stop()
		conn.Close()
		if err != nil {
			return
		}
	}
}

func shelfOf(n uint32) []uint32 {
	shelf := make([]uint32, stocktakeArticles)
	for i := range shelf {
		shelf[i] = (n*stocktakeArticles + uint32(i)) % skus
	}
	return shelf
}

// scan asks the scanner how many pieces of sku are on the shelf.
func scan(conn net.Conn, sku uint32) (uint64, error) {
	var answer [8]byte
	if _, err := conn.Write(binary.BigEndian.AppendUint32(nil, sku)); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(answer[:]), nil
}

// serveScanner is the other side: a device that takes its time.
func serveScanner(ctx context.Context, l net.Listener) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		wg.Go(func() {
			defer conn.Close()
			var sku [4]byte
			for sleepOK := true; sleepOK; sleepOK = sleep(ctx, scannerTime) && answer(conn, sku) {
				if _, err := io.ReadFull(conn, sku[:]); err != nil {
					return
				}
			}
		})
	}
}

// answer tells the level of one article.
func answer(conn net.Conn, sku [4]byte) bool {
	n := 1000 + uint64(binary.BigEndian.Uint32(sku[:]))%1000
	_, err := conn.Write(binary.BigEndian.AppendUint64(nil, n))
	return err == nil
}

// sleep waits for d and says whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
