package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/baseline"
	"github.com/mayfly-profiler/mayfly/internal/compare"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// comparison runs compare to its end.
func comparison(t *testing.T, args ...string) (*session, compare.Result) {
	t.Helper()
	s := start(t, nil, append([]string{"compare", "--json", "-d", "3s"}, args...)...)
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	var r compare.Result
	if err := json.Unmarshal(s.stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, s.stdout.String())
	}
	t.Log(r.Sentence)
	return s, r
}

// A server that has net/http/pprof is asked for its default profile without being told where.
func TestCompareFindsDefault(t *testing.T) {
	target.Need(t, bpf.Probe())
	exe := target.Compile(t, "server", target.Build{})
	x := target.Start(t, exe, "-pprof", "127.0.0.1:0")
	_, r := comparison(t, "-p", pid(x))
	if r.Decimated {
		t.Error("the default profile was made of mayfly's samples, and the server has one")
	}
	if r.Default.Samples == 0 || r.Mayfly.Samples < 3*r.Default.Samples {
		t.Errorf("%d samples by default, %d by mayfly", r.Default.Samples, r.Mayfly.Samples)
	}
}

// A program that only burns CPU is told that its default profile is fine, and that it was made of
// mayfly's samples where the program serves none.
func TestCompareSaysFine(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	s, r := comparison(t, "-p", pid(x))
	if !r.Decimated || !strings.Contains(s.stderr.String(), "default profile") {
		t.Errorf("decimated %v; stderr %s", r.Decimated, s.stderr.String())
	}
	// On a busy machine it does not get its CPU, and it would be wrong not to say so, or that there are few samples.
	busy := strings.Contains(r.Sentence, "preempted") || strings.Contains(r.Sentence, "too few")
	if !busy && (!r.Fine || !strings.HasPrefix(r.Sentence, "100 Hz is enough here")) {
		t.Errorf("%s", r.Sentence)
	}
}

// A target's answer leads nowhere else: not by a redirect, and not to an address or a name at which the target was not
// found to listen.
func TestCompareKeepsToTheTarget(t *testing.T) {
	hits := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hits <- r.URL.Path }))
	defer other.Close()
	evil := httptest.NewServer(http.RedirectHandler(other.URL+"/admin/quit", http.StatusFound))
	defer evil.Close()
	at := netip.MustParseAddrPort(evil.Listener.Addr().String())
	client := dialer(os.Getpid(), []netip.AddrPort{at})
	if _, err := baseline.Fetch(t.Context(), client, evil.URL, time.Second); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("Fetch = %v, want an error that says 302", err)
	}
	for _, url := range []string{other.URL, fmt.Sprintf("http://localhost:%d/", at.Port())} {
		if _, err := client.Get(url); err == nil || !strings.Contains(err.Error(), "no address at which process") {
			t.Errorf("GET %s: %v", url, err)
		}
	}
	select {
	case path := <-hits:
		t.Errorf("somebody else was asked for %s", path)
	default:
	}
}
