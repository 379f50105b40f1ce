package inprocess_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
)

func flight(t *testing.T, o inprocess.FlightOptions) *inprocess.FlightRecorder {
	t.Helper()
	f, err := inprocess.StartFlightRecorder(o)
	target.Need(t, err)
	t.Cleanup(f.Stop)
	return f
}

func last(t *testing.T, f *inprocess.FlightRecorder, d time.Duration) *profiler.Recording {
	t.Helper()
	rec, err := f.Last(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.Profile.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return rec
}

// wallOf is the wall time of goroutines with a value of the label "job".
func wallOf(p *profile.Profile, job string) (d time.Duration) {
	for i, c := range p.SampleType {
		for _, s := range p.Sample {
			if v := s.Label["job"]; c.Type == "wall" && len(v) == 1 && v[0] == job {
				d += time.Duration(s.Value[i])
			}
		}
	}
	return d
}

// A request that is over when somebody asks is in what a flight recorder has, whole, and no longer when the window has passed.
func TestFlightRecorder(t *testing.T) {
	f := flight(t, inprocess.FlightOptions{Window: 2 * time.Second, Options: inprocess.Options{Share: 0.2}})
	if _, err := inprocess.Start(inprocess.Options{}); !errors.Is(err, inprocess.ErrBusy) {
		t.Errorf("a session beside it: %v", err)
	}
	hum(t)
	const life = 200 * time.Millisecond
	begun := time.Now()
	pprof.Do(t.Context(), pprof.Labels("job", "over"), func(context.Context) { time.Sleep(life) })
	lived := time.Since(begun)
	asked := time.Now()
	rec := last(t, f, time.Minute)
	p := rec.Profile
	if got := wallOf(p, "over"); got < life/2 || got > lived+life/2 {
		t.Errorf("%v of a goroutine that lived %v", got, lived)
	}
	if end := p.TimeNanos + p.DurationNanos; end < asked.UnixNano() {
		t.Errorf("it ends %v before the question", time.Duration(asked.UnixNano()-end))
	}
	if wallOf(p, "hum") == 0 || rec.Summary.RingBytes == 0 || !strings.Contains(rec.Summary.End, "the last 1m0s") {
		t.Errorf("%v, %+v", wallOf(p, "hum"), rec.Summary)
	}
	for wallOf(p, "over") > 0 && time.Since(asked) < 10*time.Second {
		p = last(t, f, time.Second).Profile
	}
	if got := wallOf(p, "over"); got > 0 || wallOf(p, "hum") == 0 || p.DurationNanos > int64(2*time.Second) {
		t.Errorf("ten seconds later: %v, %v in %v", got, wallOf(p, "hum"), time.Duration(p.DurationNanos))
	}
	f.Stop()
	f.Stop()
	if _, err := f.Last(time.Second); err == nil || !strings.Contains(err.Error(), "it was stopped") {
		t.Errorf("after Stop: %v", err)
	}
}

// The endpoint refuses what the recorder does not have, and a second question while one is answered.
func TestFlightHandler(t *testing.T) {
	f := flight(t, inprocess.FlightOptions{Window: 2 * time.Second, Options: inprocess.Options{Share: 0.2}})
	srv := httptest.NewServer(f.Handler())
	defer srv.Close()
	hum(t)
	get(t, srv.URL+"?seconds=3").oneLine(t, 400, "not a number from 1 to 2")
	get(t, srv.URL+"?format=perfetto").oneLine(t, 400, "does not keep")
	get(t, srv.URL+"?format=x").oneLine(t, 400, "x")
	if r, err := http.Post(srv.URL, "", nil); err != nil || r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v %v", r, err)
	}
	answers := make(chan got, 2)
	for range 2 {
		go func() { answers <- get(t, srv.URL+"?seconds=1") }()
	}
	one, other := <-answers, <-answers
	if one.code == 200 {
		one, other = other, one
	}
	p, err := profile.ParseData(other.body)
	if other.code != 200 || err != nil || wallOf(p, "hum") == 0 {
		t.Errorf("%d %v", other.code, err)
	}
	if one.code != 200 { // as fast as that the two may have come one after the other
		one.oneLine(t, 409, "recorded already")
	}
}

// When the helper has gone, whoever asks is told so, and another recorder can be started.
func TestFlightWithoutHelper(t *testing.T) {
	f := flight(t, inprocess.FlightOptions{Window: time.Second})
	unix.Kill(inprocess.HelperOf(f), unix.SIGKILL)
	if _, err := f.Last(time.Second); err == nil || !strings.Contains(err.Error(), "the helper process ended: signal: killed") {
		t.Error(err)
	}
	f.Stop()
	f = flight(t, inprocess.FlightOptions{Window: time.Second})
	last(t, f, time.Second)
}

func TestFlightOptions(t *testing.T) {
	for want, o := range map[string]inprocess.FlightOptions{
		"engine fgprof": {Options: inprocess.Options{Engine: profiler.FGProf}},
		"window 1ms":    {Window: time.Millisecond},
		"limit 1:":      {Limit: 1},
		"rate":          {Options: inprocess.Options{Rate: -1}},
	} {
		if _, err := inprocess.StartFlightRecorder(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
