package goroutine_test

import (
	"context"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func labelOf(labels []sample.Label, key string) string {
	for _, l := range labels {
		if l.Key == key {
			return l.Value
		}
	}
	return ""
}

// Each goroutine of testdata/peers that waits for a file waits for the one that its labels name, and
// in the direction that they name: in a snapshot, exactly; in a recording, by weight.
func TestPeers(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) {
			x := open(t, target.Start(t, target.Compile(t, "peers", b), "-dir", t.TempDir()), goroutine.Options{})
			waiting := 0
			for range 5 {
				for _, g := range x.snapshot(t) {
					want := labelOf(g.Labels, "io")
					if g.State != "IO wait" || want == "" || want == "either" && g.Loss != sample.Whole {
						continue // those who play may run before their stack is read
					}
					waiting++
					io := map[bool]string{true: "write", false: "read"}[g.Write]
					if g.Peer.Addr != labelOf(g.Labels, "addr") || io != want && want != "either" {
						t.Errorf("%s %q, truth %v; %s", io, g.Peer.Addr, g.Labels, x.names(g.Stack))
					}
				}
			}
			if waiting < 5*30 {
				t.Errorf("only %d waits were seen", waiting)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			var all, none, wrong time.Duration
			err := x.Run(ctx, func(s *sample.Sample) {
				want := labelOf(s.Labels, "peer")
				if s.State != "IO wait" || want == "" {
					return
				}
				switch all += time.Duration(s.Weight); s.Peer {
				case "":
					none += time.Duration(s.Weight)
				case want:
				default:
					wrong += time.Duration(s.Weight)
					t.Errorf("peer %q, truth %v", s.Peer, s.Labels)
				}
			})
			if err != nil {
				t.Error(err)
			}
			t.Logf("waits: %v in all, %v without a peer, %v with a wrong one", all, none, wrong)
			if none > all/100 || all < 10*time.Second {
				t.Errorf("of %v of waiting %v is without a peer", all, none)
			}
		})
	}
}
