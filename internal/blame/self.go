package blame

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// A process that calls itself waits for the network, and for one of its own handlers. The peer of such a wait is an
// address that the process accepts connections at, and the handler is the one that begins and ends within the wait
// and fills it.

const (
	// slack is how much longer than the handler the wait may be, if that is more than a fifth of it; and the handler
	// may end that much later, as what it wrote is sent before.
	slack = int64(20e6)
	// cut is how much later than the handler the wait may begin: a select that goes on is cut in two.
	cut = int64(100e6)
)

// Own says whether the process itself accepts connections at a peer's address: at that very one, or at all addresses, if
// the peer's is one of this host for sure.
func (b *Blamer) Own(peer string) bool {
	if b.listens == nil {
		b.listens = make(map[string]bool)
		for _, s := range b.States {
			if at, ok := strings.CutPrefix(s.Peer, "accept "); ok {
				b.listens[at] = true
			}
		}
	}
	if b.listens[peer] {
		return true
	}
	at, err := netip.ParseAddrPort(peer)
	port := strconv.Itoa(int(at.Port()))
	return err == nil && at.Addr().IsLoopback() && (b.listens["0.0.0.0:"+port] || b.listens["[::]:"+port])
}

// followSelf charges a wait for an answer of the process itself to the handler that gave it.
func (b *Blamer) followSelf(a Atom, s timeline.Span, via route, out func(Atom)) bool {
	if a.State < 0 || !b.Own(b.States[a.State].Peer) {
		return false
	}
	var best timeline.Span
	rest := max(slack, (s.To-s.From)/5)
	for _, f := range frameworks.Functions(frameworks.Handles) {
		calls := b.calls(f) // by begin
		first, _ := slices.BinarySearchFunc(calls, s.From-cut, func(c timeline.Span, at int64) int { return cmp.Compare(c.From, at) })
		for _, c := range calls[first:] {
			if c.From >= s.To {
				break
			}
			if c.Track == s.Track || c.To > s.To+slack || c.To <= s.From || slices.Contains(b.path, c.Track) {
				continue
			}
			if d := abs(s.To-c.To) + max(c.From-s.From, 0); d < rest {
				best, rest = c, d
			}
		}
	}
	if best.Track == nil {
		return false
	}
	via = b.viaStack(via, Link{timeline.Network, a.At, Itself}, a.Where, Guessed, codeTrust)
	b.followTrack(nil, timeline.Span{Track: best.Track, From: max(best.From, s.From), To: min(best.To, s.To)}, via, out)
	if a.NS = float64(max(rest, 0)); a.NS > 0 {
		out(a)
	}
	return true
}
