package main

import (
	"context"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// cause is what makes orders slow. The zero value makes nothing slow.
type cause struct {
	start func(*service) error                         // once, before the first request
	step  func(*service, context.Context, order) error // in each order
	conns int                                          // connections of the pool
	procs int                                          // GOMAXPROCS; 0: the runtime's choice
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
	"procs":     {conns: 16, procs: 1, start: (*service).startReindex},
	"neighbour": {conns: 16, start: (*service).shareCPU}, // with threads of the other process
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

// planRoutes burns 270 ms of CPU for each P, in goroutines of 3 ms, for the tenant initech.
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

// planRoute relaxes the distances between 60 places: 2 to 4 ms of CPU.
func planRoute() {
	var distance [60][60]uint64
	for round := uint64(0); round < 8; round++ {
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

// growHeap makes a heap of 80 MB in small objects, and has the collector mark it for every 12 MB that are allocated.
func (s *service) growHeap() error {
	s.catalog = make([][]*entry, 64)
	for i := range s.catalog {
		s.catalog[i] = makeEntries(40_000)
	}
	debug.SetGCPercent(15)
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

// startReindex burns four fifths of a CPU in one goroutine, long enough at a time for orders to queue up
// behind it. With a second P nobody minds.
func (s *service) startReindex() error {
	go reindex()
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
	pages atomic.Int64
}

func (s *service) openLedger() error {
	dir, err := os.UserCacheDir() // a temporary folder is often in memory
	if err != nil {
		dir = os.TempDir()
	}
	f, err := os.CreateTemp(dir, "mayfly-fulfil-ledger-")
	if err != nil {
		return err
	}
	s.ledger = &ledger{File: f}
	return os.Remove(f.Name())
}

var page [10 << 20]byte

// journal writes the order's ten megabytes and waits for the disk.
func (s *service) journal(context.Context, order) error {
	at := s.ledger.pages.Add(1) % 64 * int64(len(page))
	if _, err := s.ledger.WriteAt(page[:], at); err != nil {
		return err
	}
	return s.ledger.Sync()
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
