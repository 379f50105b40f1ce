package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

var (
	ringHour = flag.Duration("ring.hour", 6*time.Second, "how long TestRingHour keeps a flight recorder on a busy server; 1h with "+
		"-ring.dumps 100 and -timeout 70m is the real thing")
	ringDumps = flag.Int("ring.dumps", 3, "how many windows TestRingHour asks for")
)

// beatPeriod is how long each label of the server's counting goroutine stays.
const beatPeriod = 100 * time.Millisecond

// A flight recorder on a busy server, whose requests all have a label of their own, writes windows
// that lack nothing, and its memory stays where it is. Two witnesses know nothing of mayfly: the
// server's goroutine whose label counts up, and the kernel's account of mayfly's memory.
func TestRingHour(t *testing.T) {
	target.Need(t, bpf.Probe())
	every := *ringHour / time.Duration(*ringDumps)
	before, after := every/2, every/6
	x := target.Start(t, target.Compile(t, "server", target.Build{}), "-rps", "500", "-beat", beatPeriod.String())
	s := start(t, nil, "record", "-p", pid(x), "--ring", before.String(), "--after", after.String(), "--cool-down", "0",
		"--on", "http=127.0.0.1:0")
	s.until("the recording", func() bool { return strings.Contains(s.stderr.String(), "keeping the last") })
	url := regexp.MustCompile(`http://\S+/dump`).FindString(s.stderr.String())
	memory := watchMemory(s.cmd.Process.Pid, *ringHour/60)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var worst windowFacts
	for i := range *ringDumps {
		<-tick.C
		answer, err := http.Post(url, "", nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, s.stderr.String())
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusAccepted {
			t.Errorf("dump %d: %s", i, answer.Status)
		}
		s.until("the dump", func() bool { return len(s.dumps()) == i+1 })
		f := s.window(s.dumps()[i], before+after)
		t.Logf("dump %d: %s; %s", i, f, memory.now())
		worst = worst.worse(f)
	}
	t.Logf("worst of %d windows: %s", *ringDumps, worst)
	memory.check(t)
	s.cmd.Process.Signal(os.Interrupt)
	if code := s.wait(); code != codeOK {
		t.Errorf("exit code %d\n%s", code, s.stderr.String())
	}
}

// windowFacts are what a window is worth.
type windowFacts struct {
	length  time.Duration
	samples int
	beats   int           // labels of the counting goroutine that are in it whole
	off     time.Duration // time of the counting goroutine minus the window's length
	least   time.Duration // that one of those labels has
	rate    float64       // scans of the goroutine table, Hz
	held    int           // bytes in the ring
}

func (f windowFacts) String() string {
	return fmt.Sprintf("%s, %d samples, %d beats, the shortest %s, in all %s off, %.0f scans a second, %d bytes in the ring",
		f.length.Round(time.Millisecond), f.samples, f.beats, f.least.Round(time.Microsecond), f.off.Round(time.Microsecond), f.rate, f.held)
}

func (f windowFacts) worse(g windowFacts) windowFacts {
	if f.length == 0 {
		return g
	}
	w := windowFacts{min(f.length, g.length), min(f.samples, g.samples), min(f.beats, g.beats), f.off, min(f.least, g.least),
		min(f.rate, g.rate), max(f.held, g.held)}
	if g.off.Abs() > f.off.Abs() {
		w.off = g.off
	}
	return w
}

// window fails unless the file is a valid profile of at least that length in which the counting goroutine
// misses no beat.
func (s *session) window(file string, atLeast time.Duration) (f windowFacts) {
	s.t.Helper()
	p := s.profile(filepath.Base(file))
	f.length, f.samples = time.Duration(p.DurationNanos), len(p.Sample)
	f.rate, f.held = number(p, "table_rate_hz"), int(number(p, "ring_bytes"))
	if err := p.CheckValid(); err != nil || f.length < atLeast || f.held == 0 {
		s.t.Errorf("%s: %v, %v, want %v at least; %d bytes held", file, err, f.length, atLeast, f.held)
	}
	beats, total := beatTimes(p)
	if len(beats) < 3 {
		s.t.Fatalf("%s: %d beats", file, len(beats))
	}
	numbers := make([]int, 0, len(beats))
	for n := range beats {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	first, last := numbers[0], numbers[len(numbers)-1]
	f.beats, f.least = last-first-1, beatPeriod
	for n := first + 1; n < last; n++ {
		f.least = min(f.least, beats[n])
		if beats[n] == 0 {
			s.t.Errorf("%s: beat %d of %d to %d is missing", file, n, first, last)
		}
	}
	// An interval whose beginning was not settled when a slice ended is in the next one, whole (stream.go): at
	// both ends of a window, and a beat long where a busy machine hid the naps.
	if f.off = total - f.length; f.off.Abs() > 2*beatPeriod {
		s.t.Errorf("%s: %v of the counting goroutine in %v", file, total, f.length)
	}
	return f
}

// beatTimes is the wall time of each label of the counting goroutine, and of all its life: between two labels it
// may have to wait for memory.
func beatTimes(p *profile.Profile) (beats map[int]time.Duration, total time.Duration) {
	wall := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == "wall" })
	beats = make(map[int]time.Duration)
	for _, s := range p.Sample {
		if slices.ContainsFunc(s.Location, isBeat) {
			total += time.Duration(s.Value[wall])
			if v := s.Label["beat"]; len(v) == 1 {
				n, _ := strconv.Atoi(v[0])
				beats[n] += time.Duration(s.Value[wall])
			}
		}
	}
	return beats, total
}

func isBeat(l *profile.Location) bool {
	return slices.ContainsFunc(l.Line, func(l profile.Line) bool { return l.Function.Name == "main.beat" })
}

// number is that of a comment.
func number(p *profile.Profile, key string) float64 {
	for _, c := range p.Comments {
		if k, v := sample.Comment(c); k == sample.CommentPrefix+key {
			n, _ := strconv.ParseFloat(v, 64)
			return n
		}
	}
	return 0
}

// memoryWatch samples a process's memory.
type memoryWatch struct {
	mu      sync.Mutex
	pid     int
	minutes []int // its highest resident set in each sixtieth of the test, bytes
}

func watchMemory(pid int, minute time.Duration) *memoryWatch {
	m := &memoryWatch{pid: pid}
	m.reset()
	go func() {
		for range time.Tick(minute) {
			peak, ok := m.status("VmHWM")
			if !ok {
				return // it has ended
			}
			m.reset()
			m.mu.Lock()
			m.minutes = append(m.minutes, peak)
			m.mu.Unlock()
		}
	}()
	return m
}

// reset makes the kernel's high-water mark what is resident now: 5 in proc(5), clear_refs.
func (m *memoryWatch) reset() {
	os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", m.pid), []byte("5"), 0)
}

func (m *memoryWatch) status(key string) (bytes int, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid))
	if err != nil {
		return 0, false
	}
	f := regexp.MustCompile(key + `:\s+(\d+) kB`).FindSubmatch(b)
	if f == nil {
		return 0, false
	}
	kb, _ := strconv.Atoi(string(f[1]))
	return kb << 10, true
}

func (m *memoryWatch) now() string {
	rss, _ := m.status("VmRSS")
	m.mu.Lock()
	defer m.mu.Unlock()
	last := 0
	if n := len(m.minutes); n > 0 {
		last = m.minutes[n-1]
	}
	return fmt.Sprintf("resident %.1f MB, at most %.1f MB in the last minute", float64(rss)/1e6, float64(last)/1e6)
}

// check holds the memory against what mayfly says of it (help record), and against itself: what was not needed in
// the first sixth of the hour is not needed later, within 5 % of the bound. Everything that a flight recorder does
// has happened several times by then.
func (m *memoryWatch) check(t *testing.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.minutes)
	if n < 12 {
		t.Fatalf("%d samples of memory", n)
	}
	f := ringFlags{limit: profiler.DefaultRingLimit >> 20}
	bound := int(f.memoryBound(0)) // those of the server are few
	early, later := slices.Max(m.minutes[:n/6]), slices.Max(m.minutes[n/6:])
	growth := float64(later-early) / float64(bound)
	t.Logf("highest resident set by minute, MB: %s", megabytes(m.minutes))
	t.Logf("first %d at most %.1f MB, later %.1f MB, the bound is %.1f MB: %+.1f %% of it", n/6, float64(early)/1e6, float64(later)/1e6,
		float64(bound)/1e6, 100*growth)
	if max(early, later) > bound {
		t.Errorf("%d bytes resident, the bound is %d", max(early, later), bound)
	}
	if *ringHour >= 10*time.Minute && growth > 0.05 {
		t.Errorf("%d bytes resident, %d in the beginning, the bound is %d", later, early, bound)
	}
}

func megabytes(bytes []int) string {
	var b strings.Builder
	for _, n := range bytes {
		fmt.Fprintf(&b, "%.1f ", float64(n)/1e6)
	}
	return b.String()
}
