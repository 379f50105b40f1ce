package diff

import (
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// calling is a profile of these functions, alike in weight.
func calling(functions ...string) *profile.Profile {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}, DurationNanos: 10e9}
	for i, name := range functions {
		f := &profile.Function{ID: uint64(i + 1), Name: name}
		l := &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		p.Sample = append(p.Sample, &profile.Sample{Location: []*profile.Location{l}, Value: []int64{1e9}})
	}
	return p
}

// Programs are told apart by what is their own: all begin in main.main, and use the standard library and what that carries along.
func TestOtherProgram(t *testing.T) {
	std := []string{"runtime.mallocgc", "net/http.(*conn).serve", "main.main", "main.main.func1", "main.main.func2.1", "main.init.0",
		"vendor/golang.org/x/net/http/httpguts.IsTokenRune", "vendor/golang.org/x/sys/cpu.Initialize"}
	with := func(own ...string) *profile.Profile { return calling(append(own, std...)...) }
	base := with("example.com/bm.Parse", "example.com/bm.Score", "example.com/bm.Work", "main.setUp")
	for name, tt := range map[string]struct {
		p     *profile.Profile
		other bool
	}{
		"service":           {with("main.(*cache).get", "main.hash", "main.callBackend"), true},
		"another module":    {with("example.com/kv.Get", "example.com/kv.Put", "example.com/kv.(*Tree).split"), true},
		"one function less": {with("example.com/bm.Parse", "example.com/bm.Score", "main.setUp"), false},
		"renamed module":    {with("example.org/new.Parse", "example.org/new.Score", "example.org/new.Work", "main.setUp"), false},
		"hardly any code":   {with("main.hash"), false},
	} {
		r, err := Compare([]*Profile{Reduce(base, "a", Options{})}, []*Profile{Reduce(tt.p, "b", Options{})}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if other := r.Outcome == Incomparable; other != tt.other || other && !strings.Contains(r.Verdict(), "different programs") {
			t.Errorf("%s: %s", name, r.Verdict())
		}
	}
}

// Programs of other names that have functions in common are compared, with a warning: a module that was renamed is the same program,
// and services that share a framework are not.
func TestOtherName(t *testing.T) {
	side := func(main string) []*Profile {
		p := calling("example.com/rpc.Serve", "example.com/rpc.Read", "example.com/rpc.Write")
		p.Comments = []string{"#mayfly.main_package=" + main}
		return []*Profile{Reduce(p, "p", Options{})}
	}
	for main, want := range map[string]bool{"example.com/cmd/b": true, "example.com/cmd/a": false, "": false} {
		r, err := Compare(side("example.com/cmd/a"), side(main), Options{})
		if err != nil || r.Outcome == Incomparable {
			t.Fatalf("%v: %s", err, r.Verdict())
		}
		if said := strings.Contains(strings.Join(r.Differences, ";"), "other names"); said != want {
			t.Errorf("%q: %q", main, r.Differences)
		}
	}
}
