package demo

import (
	"math/bits"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// Truth is what the service knows about itself since it started: the answers against which a
// profile can be held.
type Truth struct {
	DurationNS int64 `json:"duration_ns"`
	CPUNS      int64 `json:"cpu_ns"` // user and system time of the process; 0 where unknown
	// GoroutinesCreated is the runtime's own counter (/sched/goroutines-created).
	GoroutinesCreated uint64 `json:"goroutines_created"`

	Requests map[string]map[string]Latency `json:"requests"` // by endpoint and tenant
	Work     map[string]Work               `json:"work"`     // by kind

	Lines        int64     `json:"lines"`      // goroutines that handled an order line
	OpenLines    int64     `json:"open_lines"` // and those that are still at it
	LineLife     Histogram `json:"line_life"`
	Beats        int64     `json:"beats"` // goroutines that a heartbeat started
	BeatLife     Histogram `json:"beat_life"`
	Reserve      Histogram `json:"reserve"` // write transactions of order lines, waiting included
	Stocktakes   int64     `json:"stocktakes"`
	StocktakesNS int64     `json:"stocktakes_ns"` // how long they held the write transaction, waiting for it included
}

// Work is how much of one kind of computation was done.
type Work struct {
	Calls  int64 `json:"calls"`
	Rounds int64 `json:"rounds"`
	CPUNS  int64 `json:"cpu_ns"` // Rounds times the duration of one, timed at the start
}

// Latency is the time that requests took inside the service.
type Latency struct {
	Count   int64     `json:"count"`
	TotalNS int64     `json:"total_ns"`
	P50NS   int64     `json:"p50_ns"`
	P99NS   int64     `json:"p99_ns"`
	Times   Histogram `json:"times"`
}

// Histogram counts durations in buckets that grow by a quarter of an octave.
type Histogram []Bucket

// Bucket counts the durations up to LimitNS that no smaller bucket took.
type Bucket struct {
	LimitNS int64 `json:"limit_ns"`
	Count   int64 `json:"count"`
}

// histogram is the growing side of a Histogram.
type histogram struct {
	total  atomic.Int64
	counts [4 * 40]atomic.Int64 // up to 2^40 ns, 18 minutes
}

// bucketOf returns the bucket of a duration: four to an octave, by the two bits below the top.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 4))
	top := bits.Len64(v) - 1
	return min(top*4+int(v>>(top-2)&3), 4*40-1)
}

// limitOf returns the largest duration of a bucket, in ns.
func limitOf(bucket int) int64 {
	top := bucket / 4
	return int64(4+bucket%4+1)<<(top-2) - 1
}

func (h *histogram) add(d time.Duration) {
	h.total.Add(int64(d))
	h.counts[bucketOf(d)].Add(1)
}

// snapshot returns the buckets that are not empty.
func (h *histogram) snapshot() Histogram {
	out := Histogram{}
	for i := range h.counts {
		if n := h.counts[i].Load(); n > 0 {
			out = append(out, Bucket{LimitNS: limitOf(i), Count: n})
		}
	}
	return out
}

// Count returns how many durations there are.
func (h Histogram) Count() (n int64) {
	for _, b := range h {
		n += b.Count
	}
	return n
}

// Quantile returns the limit of the bucket that the q-th part of all durations does not exceed,
// in ns, at most a quarter too large; 0 when there are none.
func (h Histogram) Quantile(q float64) int64 {
	want, n := q*float64(h.Count()), int64(0)
	for _, b := range h {
		n += b.Count
		if float64(n) >= want {
			return b.LimitNS
		}
	}
	return 0
}

func (h *histogram) latency() Latency {
	times := h.snapshot()
	return Latency{Count: times.Count(), TotalNS: h.total.Load(), Times: times,
		P50NS: times.Quantile(0.5), P99NS: times.Quantile(0.99)}
}

// truth collects. The request map is small and fixed after the first requests, so a lock is no
// matter there; what happens per line and per beat is atomic.
type truth struct {
	start      time.Time
	startCPU   time.Duration
	startCount uint64

	lineLife, beatLife, reserve, stocktakes histogram
	openLines                               atomic.Int64

	mu       sync.Mutex
	requests map[[2]string]*histogram
}

func newTruth() *truth {
	return &truth{start: time.Now(), startCPU: processCPU(), startCount: goroutinesCreated(),
		requests: map[[2]string]*histogram{}}
}

func (t *truth) line(life time.Duration)      { t.lineLife.add(life) }
func (t *truth) beat(life time.Duration)      { t.beatLife.add(life) }
func (t *truth) reserved(took time.Duration)  { t.reserve.add(took) }
func (t *truth) stocktake(took time.Duration) { t.stocktakes.add(took) }

func (t *truth) request(endpoint, tenant string, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.requests[[2]string{endpoint, tenant}]
	if h == nil {
		h = &histogram{}
		t.requests[[2]string{endpoint, tenant}] = h
	}
	h.add(took)
}

// snapshot returns the truth so far.
func (t *truth) snapshot(k *kernels) Truth {
	now := Truth{
		DurationNS:        int64(time.Since(t.start)),
		CPUNS:             int64(processCPU() - t.startCPU),
		GoroutinesCreated: goroutinesCreated() - t.startCount,
		Requests:          map[string]map[string]Latency{},
		Work:              map[string]Work{},
		LineLife:          t.lineLife.snapshot(),
		BeatLife:          t.beatLife.snapshot(),
		Reserve:           t.reserve.snapshot(),
		StocktakesNS:      t.stocktakes.total.Load(),
	}
	now.OpenLines = t.openLines.Load()
	now.Lines, now.Beats, now.Stocktakes = now.LineLife.Count(), now.BeatLife.Count(), t.stocktakes.snapshot().Count()
	for name, k := range map[string]*kernel{"price": &k.price, "seal": &k.seal, "index": &k.index, "flush": &k.flush} {
		now.Work[name] = Work{Calls: k.calls.Load(), Rounds: k.rounds.Load(), CPUNS: int64(k.cpu())}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, h := range t.requests {
		if now.Requests[key[0]] == nil {
			now.Requests[key[0]] = map[string]Latency{}
		}
		now.Requests[key[0]][key[1]] = h.latency()
	}
	return now
}

// goroutinesCreated reads the runtime's counter.
func goroutinesCreated() uint64 {
	s := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
