package report

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// TestRuledOut has a lock whose holder sleeps: the sleep is what the lock is held over, and not ruled out.
func TestRuledOut(t *testing.T) {
	s := newScenario(8 * time.Second)
	for i := range int64(40) { // one after the other, 20 ms each
		s.goroutine(i+1, 100, fmt.Sprint("request=s", i)).in("sync.Mutex.Lock", 20*float64(i)+0.5, locked).
			in("sleep", 20, "runtime.gopark time.Sleep main.book:22"+serve).in("running", 1, "main.price"+serve)
	}
	s.quick(10_000, 300)
	r := s.report(t, "p99<100ms", "label:request")
	if r.Cause == nil || r.Cause.Kind != timeline.Lock || !strings.Contains(strings.Join(r.Cause.Chain, "\n"), "a timer") {
		t.Fatalf("cause %+v", r.Cause)
	}
	for _, k := range []timeline.Kind{timeline.Lock, timeline.Timer} {
		if slices.ContainsFunc(r.RuledOut, func(x Ruled) bool { return x.Kind == k }) {
			t.Errorf("%s is ruled out, beside\n%s", k, strings.Join(r.Cause.Chain, "\n"))
		}
	}
	if !slices.ContainsFunc(r.RuledOut, func(x Ruled) bool { return x.Kind == timeline.Pool }) {
		t.Errorf("ruled out: %v, without the pool", r.ruledNames())
	}
}

// TestNoneFast has slow requests only, or hardly any others: there is nothing that they take longer than, or not enough to tell.
func TestNoneFast(t *testing.T) {
	for _, fast := range []int{0, compared - 1, compared} {
		s := newScenario(8 * time.Second)
		for i := range int64(300) {
			s.goroutine(i+1, 100+20*float64(i), fmt.Sprint("request=s", i)).in("sleep", 250, "runtime.gopark time.Sleep main.retry"+serve)
		}
		s.quick(10_000, fast+1) // the first is cut off
		c := s.report(t, "p99<100ms", "label:request").Cause
		if c == nil || strings.Contains(c.Sentence, "extra time") == (fast == 0) ||
			strings.Contains(c.Sentence, "no request was fast") != (fast == 0) {
			t.Errorf("%d fast requests: %+v", fast, c)
			continue
		}
		if (c.Confidence > lonely) == (fast < compared) {
			t.Errorf("%d fast requests: confidence %.2f", fast, c.Confidence)
		}
	}
}

// TestOneSlow has one slow request: nobody knows how often it would be the same cause.
func TestOneSlow(t *testing.T) {
	s := newScenario(8 * time.Second)
	s.goroutine(1, 100, "request=s").in("sleep", 250, "runtime.gopark time.Sleep main.retry"+serve)
	s.quick(10_000, 40)
	r := s.report(t, "p99.9<100ms", "label:request")
	if r.Verdict != Broken || r.Slow != 1 || r.Cause.Kind != timeline.Timer || r.Cause.Confidence > 0.67 {
		t.Errorf("%s, %d slow, cause %+v", r.Verdict, r.Slow, r.Cause)
	}
}

// TestNobodyHasLabel has a label that no request has, as one that is misspelt.
func TestNobodyHasLabel(t *testing.T) {
	s := newScenario(8 * time.Second)
	s.quick(10_000, 400)
	slo, _ := ParseSLO("p99<100ms")
	rs, err := New(s.profile(t), Options{SLO: slo, By: "endpiont"})
	if err != nil || len(rs) != 1 || !strings.Contains(strings.Join(rs[0].notes(), "\n"), "no request has the label endpiont") {
		t.Errorf("%v, %+v", err, rs)
	}
}

// TestObjective has an objective whose label has a sign in it that stands before the limit, too.
func TestObjective(t *testing.T) {
	s := newScenario(8 * time.Second)
	for i := range int64(400) {
		s.goroutine(i+1, 10+float64(i%50)*150, "endpoint=/a<b").in("sleep", 5, "runtime.gopark time.Sleep main.retry"+serve)
	}
	r := s.report(t, "p99(endpoint=/a<b)<100ms", "")
	want := "p99(endpoint=/a<b)<100ms MET: p99(endpoint=/a<b) is 5.0ms, 0 of 392 requests took 100ms or longer"
	if got := r.headline(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestRemedies has causes without a function: no sentence has a hole where its name would stand.
func TestRemedies(t *testing.T) {
	for k := range timeline.Kind(timeline.Kinds) {
		c := &Cause{Kind: k}
		for _, text := range []string{c.remedy(), c.sentence(timeline.Group{})} {
			if strings.Contains(text, "  ") || strings.Contains(text, " ,") || strings.HasSuffix(text, " ") ||
				strings.Contains(text, "GOMAXPROCS: ") {
				t.Errorf("%s: %q", k, text)
			}
		}
	}
}

// TestNext has a trace and no profile: go tool pprof does not read it.
func TestNext(t *testing.T) {
	r := &Report{Cause: &Cause{Kind: timeline.Lock}, trace: "a b.out"}
	if got := r.next(); got != "go tool trace 'a b.out'" {
		t.Error(got)
	}
}

// TestManyDrawn has more requests than are drawn: the flame graph has the mean of both kinds all the same.
func TestManyDrawn(t *testing.T) {
	s := newScenario(8 * time.Second)
	for i := range int64(2 * enough) {
		s.goroutine(i+1, 10+float64(i)*2, fmt.Sprint("request=s", i)).in("sleep", 200, "runtime.gopark time.Sleep main.retry"+serve)
		s.goroutine(100_000+i, 10+float64(i)*2, fmt.Sprint("request=q", i)).in("sleep", 20, "runtime.gopark time.Sleep main.retry"+serve)
	}
	r := s.report(t, "p99<100ms", "label:request")
	if g := r.view.Graph; math.Abs(g.New-1) > 1e-3 || math.Abs(g.Base-0.1) > 1e-3 {
		t.Errorf("slow requests are drawn as %.3f of one, fast ones as %.3f; want 1 and 0.1", g.New, g.Base)
	}
	if err := Formats().Write(&bytes.Buffer{}, "html", []*Report{r}); err != nil {
		t.Error(err)
	}
}

// TestUnknownTraced has a trace that does not tell: nobody is to take another one.
func TestUnknownTraced(t *testing.T) {
	for _, traced := range []bool{false, true} {
		c := &Cause{Kind: timeline.Unknown, traced: traced}
		if advises := strings.Contains(c.remedy(), "--trace FILE"); advises == traced {
			t.Errorf("with a trace %v: %s", traced, c.remedy())
		}
	}
	c := &Cause{Kind: timeline.CPU, Evidence: timeline.ByMemory}
	if strings.Contains(c.because(), "waited for") {
		t.Errorf("of CPU time: %s", c.because())
	}
}

// TestWorkers has a queue that several serve.
func TestWorkers(t *testing.T) {
	for limit, want := range map[int]string{0: "a queue for main.work;", 1: "main.work, which serves one after the other;",
		2: "main.work, which serves 2 at a time;"} {
		c := &Cause{Kind: timeline.Channel, Function: "main.work", Limit: limit}
		if got := c.sentence(timeline.Group{}); !strings.Contains(got, want) {
			t.Errorf("%d workers: %s", limit, got)
		}
	}
}

// TestGroupStreams has streams beside two groups: they are those of both.
func TestGroupStreams(t *testing.T) {
	r := &Report{Streams: 5, Requests: 40, Group: map[string]string{"endpoint": "/a"}}
	if notes := strings.Join(r.notes(), "\n"); !strings.Contains(notes, "5 streams of all groups") {
		t.Error(notes)
	}
}

// TestNobodysLine has a neighbour on the CPUs: that is no function, and so has no line.
func TestNobodysLine(t *testing.T) {
	s := newScenario(8 * time.Second)
	for i := range int64(40) {
		s.goroutine(i+1, 100+30*float64(i), fmt.Sprint("request=s", i)).in("preempted", 250, "main.price"+serve).
			in("running", 2, "main.price"+serve)
	}
	s.quick(10_000, 300)
	if c := s.report(t, "p99<100ms", "label:request").Cause; c == nil || c.Kind != timeline.OSScheduler || c.Line != 0 || c.Where() != "" {
		t.Errorf("%+v", c)
	}
}

// TestNothingRuledOut has every kind among the causes.
func TestNothingRuledOut(t *testing.T) {
	var b bytes.Buffer
	r := &Report{Verdict: Broken, SLO: "p99<1s", Cause: &Cause{Kind: timeline.Lock}}
	if err := WriteMarkdown(&b, []*Report{r}); err != nil || strings.Contains(b.String(), "Ruled out") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
