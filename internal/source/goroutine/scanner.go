package goroutine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

const (
	growBatch = 1 << 14 // entries of the table that are taken up in one tick

	groupSize      = 16                     // chunks that are read together at most,
	groupJobs      = 32                     // fewer where more goroutines than these changed in them
	maxPeriod      = 32                     // ticks between two looks at a quiet chunk,
	maxPeriodSplit = 4                      // the same in a timeline,
	mostQuiet      = 128                    // and before the budget makes ticks rarer
	hotTime        = int64(2 * time.Second) // for which a chunk stays hot after a birth or death
	maxTick        = 20 * time.Millisecond  // what is not read by then waits for the next tick
	maxLast        = 500 * time.Millisecond // the same for the last one, after which nothing comes
	maxFirst       = 2000                   // goroutines that are taken in per tick when a recording begins
	maxJobs        = 64                     // changed goroutines whose labels are read together
)

// scanner looks at all goroutines, tick by tick, over any memory.
type scanner struct {
	mem proc.Gatherer
	l   *goruntime.Layout
	v   *goruntime.Vars
	o   Options
	f   fields
	now func() int64 // CLOCK_MONOTONIC in ns

	states  *[states]sample.State
	root    uint64 // the return address at the bottom of each stack
	recount bool   // Go 1.26: trackingSeq does not count system calls

	chunks    []*chunk
	due       []*chunk          // of this tick
	group     int               // of how many chunks are read together now
	windows   map[uint64]*chunk // by address >> windowBits
	n         int               // entries of allgs taken up
	slots     int               // of chunks that are not folded,
	most      int               // and at most
	unwatched int64             // goroutines that live where there was no room to unfold
	settled   bool              // all goroutines that there were at first were taken up
	tick      uint32
	began     int64  // when this tick did,
	from      int64  // and when the goroutines at hand were read, at the earliest
	asked     bool   // allglen was read in this tick
	looked    int64  // when it was read last,
	before    int64  // and the time before that
	next      int    // chunk to go on with
	period    int64  // ns between ticks, as planned now
	cold      int    // chunks that were never read
	walks     int    // goroutines that were there at first that may still be taken in in this tick
	put       int64  // how often one was put off
	backOff   uint32 // ticks between two looks at a quiet chunk, at most
	idle      int64  // looks at chunks that are backed off that far

	image   []byte // of the chunks being read
	pieces  []proc.Piece
	length  [8]byte
	phase   [4]byte
	jobs    []job
	labels  labelReader
	sweeps  sweeps
	lead    int // pieces before those of the group being read
	walker  walker
	peers   peers
	waiting waitFinder
	procid  map[uint64]thread
	offset  int64              // of the target's CLOCK_MONOTONIC from the kernel's, ns
	visit   func(*job, []byte) // for snapshots, which take
	whole   bool               // all the time that they need
	last    bool               // this is the last tick

	out    []event
	births births
	stops  stops
	lives  lives
	stats  Stats
}

// job is a goroutine that is not what it was at the last look.
type job struct {
	s      *slot
	g      []byte // its g, in the scanner's image: valid until the next group of chunks is read
	key    key
	at     int64
	labels uint64
	grace  goruntime.Grace // of what labels points to
	kind   kind
	same   bool // key is what it was
	first  bool // nothing is known of it yet; it may have to wait
	owed   bool // labels are to be read
	steady bool // as slot.steady
	seen   stay // without times
}

// backOff is for how many ticks quiet chunks are left alone while the budget allows to look more often. A stay
// that began meanwhile has its length right on average, but a timeline is for single ones.
func (o Options) backOff() uint32 {
	if o.Split {
		return maxPeriodSplit
	}
	return maxPeriod
}

func newScanner(mem proc.Gatherer, l *goruntime.Layout, v *goruntime.Vars, o Options) (*scanner, error) {
	f, ok := newFields(l)
	if !ok {
		return nil, fmt.Errorf("the layout of %s lacks fields: %w", l.Version, errors.ErrUnsupported)
	}
	s := &scanner{mem: mem, l: l, v: v, o: o, f: f, now: proc.Monotonic, group: groupSize, backOff: o.backOff(), recount: !l.CountsCalls(),
		most: MaxWatched}
	s.root = v.Goexit + 1
	if l.Arch == "arm64" {
		s.root = v.Goexit + 4 // sys.PCQuantum
	}
	s.windows = make(map[uint64]*chunk)
	s.procid = make(map[uint64]thread)
	s.image = make([]byte, groupSize*chunkWindows*s.stride())
	s.states = newStates(s.reasons())
	s.peers = s.newPeers(nil)
	s.waiting = s.newWaitFinder(0)
	if o.Split {
		s.waiting = s.newWaitFinder(maxCases)
	}
	s.labels = newLabelReader()
	s.lives.stats = &s.stats
	if o.Rate > 0 {
		s.period = int64(time.Second) / int64(o.Rate)
	}
	return s, nil
}

// of tells the scanner what of the process it does not read in its memory.
func (s *scanner) of(p *proc.Process) { s.peers, s.offset = s.newPeers(p.Peer), p.TimeOffset() }

// kernelTime is a time that the target took of its CLOCK_MONOTONIC as one of the kernel's; 0 is none.
func (s *scanner) kernelTime(ns int64) int64 {
	if ns == 0 {
		return 0
	}
	return ns - s.offset
}

// reasons reads the target's own words for wait reasons, or takes those of its version.
func (s *scanner) reasons() func(uint8) string {
	own := make([]string, s.v.NWaitReasons)
	head := make([]byte, 16*len(own))
	if n, _ := s.mem.ReadAt(head, int64(s.v.WaitReasons)); s.v.WaitReasons == 0 || n < len(head) {
		return s.l.WaitReason
	}
	for i := range own {
		addr, n := word(head, 16*i), word(head, 16*i+8)
		if n > 64 || addr > 1<<62 {
			return s.l.WaitReason
		}
		text := make([]byte, n)
		if k, _ := s.mem.ReadAt(text, int64(addr)); k < len(text) {
			return s.l.WaitReason
		}
		own[i] = string(text)
	}
	return func(n uint8) string {
		if int(n) < len(own) {
			return own[n]
		}
		return s.l.WaitReason(n)
	}
}

// errGone says that the table cannot be read any more. The caller finds out whether the process
// ended or executed another program.
var errGone = errors.New("the goroutine table is gone")

// step is one tick: it looks at all chunks whose turn it is, together if they are few.
func (s *scanner) step() error {
	s.tick++
	begin := s.now()
	s.began, s.waiting.wide = begin, maxWide
	s.lives.mark(begin, s.tick)
	if s.walks = maxFirst; s.whole {
		s.walks = maxEntries
	}
	err := s.takeUp()
	if err == nil {
		err = s.round(begin)
	}
	if err == nil && !s.asked {
		err = s.gather(nil)
	}
	s.finish()
	end := s.now()
	if s.stats.Complete == 0 && s.settled && s.cold == 0 {
		s.stats.Complete = end
	}
	s.stats.Ticks++
	s.stats.Slowest = max(s.stats.Slowest, time.Duration(end-begin))
	return err
}

// round reads the chunks whose turn it is, first those that were read before: where goroutines come
// and go is to be looked at often even while the table of a large program is still being read for
// the first time.
func (s *scanner) round(begin int64) error {
	s.due = s.due[:0]
	first, n := s.next, len(s.chunks)
	for i := range n {
		if c := s.chunks[(first+i)%n]; c.known && (c.due <= s.tick || s.o.Full) {
			s.due = append(s.due, c)
		}
	}
	s.next = 0
	longest := int64(maxTick)
	if s.last {
		longest = int64(maxLast)
	}
	left, err := s.readAll(s.due, begin+longest)
	if len(left) > 0 {
		s.next = slices.Index(s.chunks, left[0])
	}
	if s.cold == 0 || err != nil {
		return err
	}
	s.due = s.due[:0]
	for i := n - 1; i >= 0; i-- { // the newest first: the oldest goroutines are those that stay
		if c := s.chunks[i]; !c.known {
			s.due = append(s.due, c)
		}
	}
	_, err = s.readAll(s.due, begin+longest+int64(maxTick/2))
	return err
}

// readAll reads chunks until the given time and returns those that are left.
func (s *scanner) readAll(due []*chunk, until int64) ([]*chunk, error) {
	for len(due) > 0 {
		group := due[:min(s.group, len(due))]
		at, err := s.read(group)
		if due = due[len(group):]; err != nil || at > until && (s.last || !s.whole) {
			return due, err
		}
	}
	return nil, nil
}

// gather reads the group's windows into the image, and with the first group of a tick the number of
// goroutines.
func (s *scanner) gather(group []*chunk) error {
	s.pieces = s.pieces[:0]
	if !s.asked {
		s.pieces = s.appendSweeps(s.pieces)
	}
	s.lead = len(s.pieces)
	for k, c := range group {
		for i := range c.n {
			w := c.windows[i]
			off := (k*chunkWindows+i)*s.stride() + int(w.lo&(windowSize-1))
			s.pieces = append(s.pieces, proc.Piece{Addr: w.lo, Buf: s.image[off : off+int(w.hi-w.lo)]})
		}
	}
	n := len(s.pieces)
	if !s.asked {
		s.pieces = append(s.pieces, proc.Piece{Addr: s.v.Allglen, Buf: s.length[:]})
		if s.v.GCPhase != 0 {
			s.pieces = append(s.pieces, proc.Piece{Addr: s.v.GCPhase, Buf: s.phase[:]})
		}
	}
	s.from = s.now()
	if err := s.mem.Gather(s.pieces); err != nil || s.asked {
		return err
	}
	s.noteSweeps(s.pieces[:s.lead])
	if !s.pieces[n].OK || word(s.length[:], 0) < uint64(s.n) {
		return errGone
	}
	s.asked, s.before, s.looked = true, s.looked, s.now()
	s.countPhase()
	return nil
}

// takeUp makes slots of new entries of allgs: at most growBatch of those that there were when the
// length was read last, which was in the tick before. The runtime publishes the array before its
// length (runtime/proc.go, allgadd), so the length was read first.
func (s *scanner) takeUp() error {
	s.asked = false
	if s.n == 0 {
		if err := s.gather(nil); err != nil {
			return err
		}
	}
	if all := min(word(s.length[:], 0), uint64(maxEntries)); all > uint64(s.n) {
		n := int(min(all, uint64(s.n)+growBatch))
		err := s.takeUpTo(n)
		s.settled = s.settled || uint64(n) >= all
		return err
	}
	return nil
}

// takeUpTo makes slots of the entries up to n.
func (s *scanner) takeUpTo(n int) error {
	var ptr [8]byte
	if k, err := s.mem.ReadAt(ptr[:], int64(s.v.Allgptr)); k < len(ptr) {
		return cmp.Or(noFault(err), errGone)
	}
	tail := make([]byte, 8*(n-s.n))
	at := word(ptr[:], 0) + 8*uint64(s.n)
	if at > 1<<62 {
		return errGone
	}
	if k, err := s.mem.ReadAt(tail, int64(at)); k < len(tail) {
		return cmp.Or(noFault(err), errGone)
	}
	addrs := make([]uint64, 0, n-s.n)
	for ; len(tail) > 0; tail = tail[8:] {
		if a := word(tail, 0); a >= 4096 && a < 1<<62 && a%8 == 0 {
			addrs = append(addrs, a)
		}
	}
	slices.Sort(addrs)
	for _, a := range slices.Compact(addrs) {
		s.place(a)
	}
	s.n = n
	return nil
}

// noFault is nil for errors that are only about an address.
func noFault(err error) error {
	if errors.Is(err, proc.ErrFault) {
		return nil
	}
	return err
}

// finish reads the labels that are owed and enters all jobs into the slots.
func (s *scanner) finish() {
	if len(s.jobs) == 0 {
		return
	}
	s.readLabels()
	for i := range s.jobs {
		s.observe(&s.jobs[i])
	}
	clear(s.jobs)
	s.jobs = s.jobs[:0]
}
