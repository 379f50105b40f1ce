package blame

import (
	"math"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

const asks = "internal/poll.(*FD).Read main.ask main.handle" + handler

// TestLocalPeer has a request that waits 200 ms for an answer while the process itself computes on both CPUs for the first 160. Others that
// came before waited for 10 ms. What of it is the peer's depends on where the peer is, and on what it took those.
func TestLocalPeer(t *testing.T) {
	for name, tt := range map[string]struct {
		peer  string
		usual float64 // ms that the answers before took
		cpus  int
		net   float64 // ms of 200 that stay the peer's
	}{
		"of this host":                {"127.0.0.1:80", 10, 2, 50},
		"by IPv6":                     {"[::1]:80", 10, 2, 50},
		"a Unix socket":               {"unix:/run/db.sock", 10, 2, 50},
		"as slow while CPUs are free": {"127.0.0.1:80", 150, 2, 190},
		"elsewhere":                   {"10.0.0.7:80", 10, 2, 200},
		"not known":                   {"", 10, 2, 200},
		"with CPUs of its own":        {"127.0.0.1:80", 10, 4, 200},
		"nothing to compare with":     {"127.0.0.1:80", 0, 2, 200},
	} {
		w := newWorld()
		w.Evidence, w.Scans, w.CPUs = timeline.ByMemory, 1000, tt.cpus
		if tt.usual > 0 {
			before := w.goroutine(1, 0)
			for range 6 {
				before.in("IO wait@"+tt.peer, before.at+tt.usual, asks).in("running", before.at+3, "main.handle"+handler)
			}
		}
		w.goroutine(2, 2000).in("IO wait@"+tt.peer, 2200, asks).in("running", 2201, "main.handle"+handler)
		for id := range int64(2) {
			w.goroutine(3+id, 1900).in("sleep", 2000, "time.Sleep main.crunch").in("running", 2160, "main.crunch").
				in("sleep", 3000, "time.Sleep main.crunch")
		}
		w.Settle()
		b := New(w.Timeline)
		net, cpu := 0.0, 0.0
		b.Follow(&timeline.Request{Main: w.ByID[2], From: 2000e6, To: 2200e6}, func(a Atom) {
			switch {
			case a.Kind == timeline.Network:
				net += a.NS / 1e6
			case a.Kind == timeline.CPU && b.Funcs[a.At.Fn].Name == "main.crunch" && a.Proof == Guessed && a.Trust <= timeTrust:
				cpu += a.NS / 1e6
			}
		})
		if math.Abs(net-tt.net) > 6 || math.Abs(net+cpu-200) > 1 {
			t.Errorf("%s: %.0f ms are the peer's and %.0f the process's own, want %.0f of 200 to be the peer's", name, net, cpu, tt.net)
		}
	}
}

// TestLocalPeerOfNeighbour has the same while other processes have the CPUs, as a goroutine that wants one now and then sees.
func TestLocalPeerOfNeighbour(t *testing.T) {
	for name, tt := range map[string]struct{ waits, net float64 }{"for most of the time": {9, 65}, "at times": {2, 200}} {
		w := newWorld()
		w.Evidence, w.Scans = timeline.ByMemory, 1000
		before := w.goroutine(1, 0)
		for range 6 {
			before.in("IO wait@127.0.0.1:80", before.at+10, asks).in("running", before.at+3, "main.handle"+handler)
		}
		w.goroutine(2, 2000).in("IO wait@127.0.0.1:80", 2200, asks).in("running", 2201, "main.handle"+handler)
		other := w.goroutine(3, 1900).in("sleep", 2000, "time.Sleep main.tick")
		for other.at < 2160 {
			other.in("sleep", other.at+10-tt.waits, "time.Sleep main.tick").in("preempted", other.at+tt.waits, "main.tick")
		}
		sum, _ := w.blamed(2, 2000, 2200)
		if net := sum["network main.ask 127.0.0.1:80"]; math.Abs(net-tt.net) > 12 || sum["os-scheduler"]+net < 199 {
			t.Errorf("waits for a CPU %s: %v, want %.0f of 200 ms to be the peer's", name, sum, tt.net)
		}
	}
}

// TestLocalPeerByReader is the same where another goroutine reads the connection, as net/http's client has it, and events say so: between
// requests that one waits for as long as it likes.
func TestLocalPeerByReader(t *testing.T) {
	const (
		trip   = "runtime.selectgo net/http.(*persistConn).roundTrip main.ask" + handler
		reader = "internal/poll.(*FD).Read net/http.(*persistConn).readLoop"
	)
	w := newWorld()
	read := w.goroutine(9, 0)
	for id := range int64(7) {
		begin := 300 * float64(id)
		end := begin + 10
		if id == 6 {
			end = begin + 200
		}
		w.goroutine(id+1, begin).ended("select", end+1, trip, 9, reader).in("running", end+2, "main.handle"+handler)
		read.in("IO wait@127.0.0.1:80", end, reader).in("running", end+1, reader)
	}
	for id := range int64(2) {
		w.goroutine(20+id, 1700).in("sleep", 1800, "time.Sleep main.crunch").in("running", 1960, "main.crunch").
			in("sleep", 3000, "time.Sleep main.crunch")
	}
	sum, _ := w.blamed(7, 1800, 2000)
	if cpu := sum["cpu main.crunch"]; math.Abs(cpu-150) > 6 {
		t.Errorf("%v, want 150 ms of main.crunch", sum)
	}
}
