package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// cause is what makes orders slow. The zero value makes nothing slow.
type cause struct {
	start func(*service) error                         // once, before the first request
	step  func(*service, context.Context, order) error // in each order
	conns int                                          // connections of the pool
	procs int                                          // GOMAXPROCS; 0: the runtime's choice
	slows bool                                         // start is what makes orders slow
}

// causes by name. The functions after them are what a report has to name.
var causes = map[string]cause{
	"none":      {conns: 16},
	"twice":     {conns: 16}, // the load comes at twice the rate
	"lock":      {conns: 16, step: (*service).bookAtCarrier},
	"pool":      {conns: 1},
	"cpu":       {conns: 16, step: (*service).planRoutes},
	"gc":        {conns: 16, start: (*service).growHeap, step: (*service).copyManifest},
	"statement": {conns: 16, step: (*service).auditTrail},
	"procs":     {conns: 16, procs: 1, start: (*service).startReindex, slows: true},
	"neighbour": {conns: 16, start: (*service).shareCPU, slows: true}, // with threads of the other process
	"fsync":     {conns: 16, start: (*service).openLedger, step: (*service).journal},
	"channel":   {conns: 16, start: (*service).startPacking, step: (*service).handOver},
}

func causeNames() string { return strings.Join(slices.Sorted(maps.Keys(causes)), ", ") }

// bookAtCarrier holds a mutex over the carrier's call of 14 ms: one order at a time.
func (s *service) bookAtCarrier(ctx context.Context, _ order) error {
	s.booking.Lock()
	defer s.booking.Unlock()
	return s.quote(ctx, "/book")
}

// planRoutes burns 360 ms of CPU for each P, in goroutines of 4 ms, for the tenant initech.
func (s *service) planRoutes(_ context.Context, o order) error {
	if o.Tenant != "initech" {
		return nil
	}
	var wg sync.WaitGroup
	for range 90 * runtime.GOMAXPROCS(0) {
		wg.Go(planRoute)
	}
	wg.Wait()
	return nil
}

// planRoute relaxes the distances between 60 places, again and again for 4 ms: CPUs differ a lot.
func planRoute() {
	var distance [60][60]uint64
	round := uint64(0)
	for begin := time.Now(); time.Since(begin) < 4*time.Millisecond; round++ {
		for via := range distance {
			for from := range distance {
				for to := range distance {
					distance[from][to] = min(distance[from][to]+round, distance[from][via]+distance[via][to]+1)
				}
			}
		}
	}
	sink.Add(distance[3][5])
}

// entry is a small object with pointers: what a collector has to follow.
type entry struct {
	next *entry
	data [3]uint64
}

// growHeap makes a heap of small objects, 80 MB and so much that marking it takes 100 ms, and has the collector do so for every 12 MB
// that are allocated.
func (s *service) growHeap() error {
	const step, most = 64, 64 * 64
	for took := time.Duration(0); took < 100*time.Millisecond && len(s.catalog) < most; {
		for range step {
			s.catalog = append(s.catalog, makeEntries(40_000))
		}
		begin := time.Now()
		runtime.GC()
		took = time.Since(begin)
	}
	debug.SetGCPercent(max(15*step/len(s.catalog), 1))
	return nil
}

func makeEntries(n int) []*entry {
	list := make([]*entry, n)
	for i := range list {
		list[i] = &entry{}
		if i > 0 {
			list[i].next = list[i-1]
		}
	}
	return list
}

// copyManifest allocates 2 MB in small objects for each order.
func (s *service) copyManifest(context.Context, order) error {
	list := makeEntries(60_000)
	sink.Add(list[len(list)-1].data[0])
	return nil
}

// auditTrail runs a statement that has no index, for the tenant initech.
func (s *service) auditTrail(ctx context.Context, o order) error {
	if o.Tenant != "initech" {
		return nil
	}
	var n int64
	return s.db.QueryRowContext(ctx, readTrail).Scan(&n)
}

// startReindex burns four fifths of a CPU in five goroutines, long enough at a time for orders to queue up
// behind them. With more Ps nobody minds.
func (s *service) startReindex() error {
	for range 5 {
		go reindex()
	}
	return nil
}

func reindex() {
	for {
		hash := uint64(14695981039346656037)
		for begin := time.Now(); time.Since(begin) < 1200*time.Millisecond; {
			for i := range uint64(1 << 20) {
				hash = (hash ^ i) * 1099511628211
			}
		}
		sink.Add(hash)
		time.Sleep(300 * time.Millisecond)
	}
}

// ledger is a file that is on the disk before an order is confirmed.
type ledger struct {
	*os.File
	record  []byte // what is written for a line
	records atomic.Int64
	lines   int // of an order, each of them on the disk before the next is written
}

const (
	recordSize = 8 << 20
	ledgerSize = 8 // records
)

// openLedger opens a ledger and finds out how many lines take this disk 500 ms: disks differ a lot. The
// file is written past the kernel's cache, or copying would take as much CPU time as the disk takes time,
// and the CPU would be a cause as well.
func (s *service) openLedger() error {
	dir, err := os.UserCacheDir() // a temporary folder is often in memory
	if err != nil {
		dir = os.TempDir()
	}
	name := filepath.Join(dir, fmt.Sprintf("mayfly-fulfil-ledger-%d", os.Getpid()))
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_DIRECT, 0o600)
	if err != nil {
		return err
	}
	s.ledger = &ledger{File: f}
	if err := os.Remove(name); err != nil {
		return err
	}
	if s.ledger.record, err = unix.Mmap(-1, 0, recordSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE); err != nil {
		return err // O_DIRECT wants a page's alignment
	}
	for range ledgerSize { // a file that grows is slower
		if err := s.ledger.write(); err != nil {
			return err
		}
	}
	begin := time.Now()
	for s.ledger.lines < 10 || time.Since(begin) < 500*time.Millisecond {
		if err := s.ledger.write(); err != nil {
			return err
		}
		s.ledger.lines++
	}
	return nil
}

// write puts a record on the disk.
func (l *ledger) write() error {
	at := l.records.Add(1) % ledgerSize * recordSize
	if _, err := l.WriteAt(l.record, at); err != nil {
		return err
	}
	return l.Sync()
}

// journal puts each line of the order on the disk by itself, for the tenant initech.
func (s *service) journal(_ context.Context, o order) error {
	if o.Tenant != "initech" {
		return nil
	}
	for range s.ledger.lines {
		if err := s.ledger.write(); err != nil {
			return err
		}
	}
	return nil
}

// startPacking starts the only packer.
func (s *service) startPacking() error {
	s.orders = make(chan chan bool)
	go s.packOrders()
	return nil
}

// packOrders packs one order at a time, 14 ms each.
func (s *service) packOrders() {
	for done := range s.orders {
		time.Sleep(14 * time.Millisecond)
		done <- true
	}
}

// handOver gives the order to the packer and waits until it is packed.
func (s *service) handOver(context.Context, order) error {
	done := make(chan bool)
	s.orders <- done
	<-done
	return nil
}
