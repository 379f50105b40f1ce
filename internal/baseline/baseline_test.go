package baseline

import (
	"context"
	"net/http"
	"net/http/httptest"
	httppprof "net/http/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// burn keeps one goroutine on a CPU until the test ends.
func burn(t *testing.T) {
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

func has(p *profile.Profile, name string) bool {
	for _, f := range p.Function {
		if strings.Contains(f.Name, name) {
			return true
		}
	}
	return false
}

func TestCPUAndWallSeeTheBurner(t *testing.T) {
	burn(t)
	for name, take := range map[string]func(context.Context, time.Duration) (*profile.Profile, error){"cpu": CPU, "wall": Wall} {
		p, err := take(t.Context(), 300*time.Millisecond)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !has(p, "baseline.burn") {
			t.Errorf("%s: the burning function is not in the profile", name)
		}
	}
}

// fgprof panics when it is ended before it has looked.
func TestWallEndedAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Wall(ctx, time.Hour); err == nil || !strings.Contains(err.Error(), "too short") {
		t.Errorf("%v", err)
	}
}

func TestFetch(t *testing.T) {
	burn(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/profile", httppprof.Profile)
	srv := httptest.NewServer(mux)
	defer srv.Close()
	p, err := Fetch(t.Context(), http.DefaultClient, srv.URL, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if !has(p, "baseline.burn") {
		t.Error("the burning function is not in the profile")
	}
}

// A process may answer what it likes: a profile that is gigabytes in memory is refused, and one that does not come is not
// waited for.
func TestFetchIsBounded(t *testing.T) {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}}
	f := &profile.Function{ID: 1, Name: "f"}
	l := &profile.Location{ID: 1, Line: slices.Repeat([]profile.Line{{Function: f}}, 1<<16)}
	p.Function, p.Location = []*profile.Function{f}, []*profile.Location{l}
	p.Sample = []*profile.Sample{{Location: p.Location, Value: []int64{1}}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/bomb") {
			p.Write(w)
			return
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()
	defer func(d time.Duration) { patience = d }(patience)
	patience = 0
	for path, want := range map[string]string{"/bomb": "too large", "/never": "did not arrive in time"} {
		if _, err := Fetch(t.Context(), http.DefaultClient, srv.URL+path, time.Millisecond); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestFetchSaysWhatIsWrong(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/busy") {
			http.Error(w, "Could not enable CPU profiling: cpu profiling already in use", http.StatusInternalServerError)
			return
		}
		w.Write([]byte("<html>"))
	}))
	defer srv.Close()
	for base, want := range map[string]string{
		"nonsense":            "is no URL",
		srv.URL + "/busy":     "already in use",
		srv.URL + "/html":     "profile",
		"http://127.0.0.1:1/": "connection refused",
	} {
		_, err := Fetch(t.Context(), http.DefaultClient, base, time.Second)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", base, err, want)
		}
	}
}
