package goroutine_test

import (
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// churnStacks are the stacks that goroutines of testdata/churn can have: from the root up the program's
// own functions in the only order that they call each other in, then time.Sleep or nothing, then
// the runtime's. A chain of frames put together from two moments does not fit.
var churnStacks = regexp.MustCompile(`^(runtime\.\S+ )*(` +
	`(time\.Sleep )?main\.churnA |` +
	`(time\.Sleep )?(main\.rec ){0,20}main\.churnB |` +
	`(time\.\S+ )*(main\.await ){0,3}main\.churnC |` +
	`main\.churnC\.func1 |` +
	`(time\.Sleep )?(main\.rec ){0,22}main\.churnD |` +
	`(time\.Sleep |internal/race\.\S+ |iter\.Pull\S+ )*main\.churnE |` + // arm64 has instructions of race's empty functions
	`(iter\.Pull\S+ )?((main\.(one|two) )?main\.values )?iter\.Pull\S+ runtime\.corostart |` +
	`runtime\.corostart |` +
	`(main\._Cfunc_(nap|forth) )?main\.churnF ` +
	`)?(main\.spawn\.(gowrap|func)\d )?runtime\.goexit$` +
	`|^(runtime\.\S+ )*(time\.Sleep )?main\.back _cgoexp\S+ runtime\.cgocallbackg1 runtime\.cgocallbackg runtime\.cgocallback$`)

var churning = regexp.MustCompile(`main\.(churn|rec|await|values|back)`)

// Of the stacks of 50,000 goroutines a second, which grow and are copied while they are read, few
// are dropped and none is wrong.
func TestChurn(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) { testChurn(t, b) })
	}
}

func testChurn(t *testing.T, b target.Build) {
	x := open(t, target.Start(t, target.Compile(t, "churn", b)), goroutine.Options{MaxOverhead: 0.3})
	c := x.churn(t, 1500*time.Millisecond)
	t.Logf("%d stacks, %d dropped; %+v", c.walked, c.unwalked, x.Stats())
	for i, names := range c.wrong {
		if i < 10 {
			t.Error(names)
		}
	}
	if c.walked < 5000 {
		t.Errorf("only %d stacks", c.walked)
	}
	if share := float64(c.unwalked) / float64(c.walked+c.unwalked); share > 0.05 {
		t.Errorf("%.3f of the stacks were dropped", share)
	}
}

// Of 50,000 goroutines a second, each with a label set of its own, hardly any time is without its label, what is
// says so, and no label is another goroutine's, or made of memory that was used again.
func TestChurnLabels(t *testing.T) {
	for _, b := range []target.Build{{}, {PIE: true, Strip: true}} {
		t.Run(b.String(), func(t *testing.T) { testChurnLabels(t, b) })
	}
}

func testChurnLabels(t *testing.T, b target.Build) {
	x := open(t, target.Start(t, target.Compile(t, "churn", b), "-labels"), goroutine.Options{MaxOverhead: 0.5})
	var labelled, lost, none int64
	of := map[uint64]string{}
	x.record(t, 3*time.Second, func(s *sample.Sample) {
		switch {
		case len(s.Labels) == 1:
			labelled += s.Weight
			checkNumber(t, s, of)
		case s.LabelsLost:
			lost += s.Weight
		case len(s.Labels) > 0:
			t.Errorf("labels %q", s.Labels)
		case s.Parent > 1: // started by one of those that start them
			none += s.Weight
		}
	})
	all := float64(labelled + lost)
	t.Logf("%.2f s labelled, %.3f %% lost, %.4f s without; %d lost scans; %+v", float64(labelled)/1e9, 100*float64(lost)/all,
		float64(none)/1e9, x.Stats().LabelsLost, x.Stats())
	// Under the race detector a label is read long after its goroutine, and more of them are of memory that was used again.
	if !testing.Short() && float64(labelled) < 0.99*all {
		t.Errorf("%.4f of the time is labelled", float64(labelled)/all)
	}
	if len(of) < 2000 {
		t.Errorf("only %d goroutines", len(of))
	}
}

// checkNumber checks the label of a goroutine of testdata/churn.
func checkNumber(t *testing.T, s *sample.Sample, of map[uint64]string) {
	t.Helper()
	value := s.Labels[0].Value
	n, rest, _ := strings.Cut(value, "-")
	k, err := strconv.Atoi(n)
	if s.Labels[0].Key != "n" || err != nil || strconv.Itoa(k%997) != rest {
		t.Errorf("label %q", s.Labels[0])
	}
	if before, ok := of[s.Goid]; ok && before != value && s.Parent > 1 {
		t.Errorf("goroutine %d has %q and had %q", s.Goid, value, before)
	}
	of[s.Goid] = value
}

// churned is what was read of testdata/churn.
type churned struct {
	walked, unwalked int
	wrong            []string // stacks that cannot be
}

func (x *live) churn(t testing.TB, d time.Duration) (c churned) {
	t.Helper()
	stacks := map[string]bool{}
	var key []byte
	x.record(t, d, func(s *sample.Sample) {
		switch {
		case s.Loss == sample.Unwalked:
			c.unwalked++
		case len(s.Curg) > 0:
			c.walked++
			key = key[:0]
			for _, pc := range s.Curg {
				key = binary.LittleEndian.AppendUint64(key, pc)
			}
			stacks[string(key)] = true
		}
	})
	for key := range stacks {
		var pcs []uint64
		for i := 0; i < len(key); i += 8 {
			pcs = append(pcs, binary.LittleEndian.Uint64([]byte(key[i:])))
		}
		if names := x.names(pcs); churning.MatchString(names) && !churnStacks.MatchString(names) {
			c.wrong = append(c.wrong, names)
		}
	}
	return c
}

// A minute of churn per iteration: run it with -benchtime=1x, or 10x.
func BenchmarkChurn(b *testing.B) {
	x := open(b, target.Start(b, target.Compile(b, "churn", target.Build{})), goroutine.Options{MaxOverhead: 0.5})
	c := x.churn(b, time.Duration(b.N)*time.Minute)
	b.ReportMetric(float64(c.walked), "stacks")
	b.ReportMetric(100*float64(c.unwalked)/float64(c.walked+c.unwalked), "%dropped")
	b.ReportMetric(float64(len(c.wrong)), "wrong")
	b.Logf("%+v", x.Stats())
	for _, names := range c.wrong {
		b.Error(names)
	}
}
