package timeline

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// Servers of gRPC and of HTTP/2 start a goroutine for each call. What a call waits for before that, the goroutine waits for that reads
// its connection: from when its socket has data it is runnable, and where the Ps are busy that takes as long as the call itself.

// perCall are the functions that goroutines for one call are started in, by who reads the connection.
var perCall = slices.Concat(names.CallHTTP2, []string{
	"google.golang.org/grpc.(*Server).serveStreams.func*", "golang.org/x/net/http2.(*serverConn).runHandler",
})

// senders are the functions that send what goroutines for one call have answered, after their end.
var senders = []string{"google.golang.org/grpc/internal/transport.(*loopyWriter).run"}

// Sends says whether a stack is that of a goroutine that sends the answers of its connection's calls.
func (t *Timeline) Sends(stack int32) bool { return t.Stacks[stack].marks&sends != 0 }

// PerCall says whether goroutines with a stack are started for one call each.
func (t *Timeline) PerCall(stack int32) bool { return t.Stacks[stack].marks&oneCall != 0 }

// unread says whether what a goroutine waits for has come in.
func (b *Builder) unread(p *Piece) bool {
	return p.Kind == GoScheduler && b.States[p.State] == readable
}

// Woken is when a goroutine was woken that has not waited since; pieces is its life up to a moment at which it began what it does.
func (b *Builder) Woken(pieces []Piece, since int64) int64 {
	for i := len(pieces) - 1; i >= 0 && !pieces[i].Waits() && !b.unread(&pieces[i]) && pieces[i].To == since; i-- {
		since = pieces[i].From
	}
	return since
}

// Arrived is what a call waited for before its goroutine was started with a stack, from when its connection's was woken.
func (b *Builder) Arrived(woken, born int64, stack int32) Piece {
	state := b.State(State{Name: "runnable"})
	return Piece{From: woken, To: born, Stack: stack, State: state, Kind: b.KindAt(state, stack), ByStack: b.Nothing}
}

// Unsent is what a call waits for after the end of its goroutine, which was started with a stack: another one is to send its answer,
// and does with byStack.
func (b *Builder) Unsent(ended, sent int64, stack int32, by int64, byStack int32) Piece {
	state := b.State(unsent)
	return Piece{From: ended, To: sent, Stack: stack, State: state, Kind: b.KindAt(state, stack), By: by, ByStack: byStack}
}

// arrive begins the lives of goroutines that are for one call each with what the call waited for before. Scans see a goroutine after its
// start, and its parent may wait for the next call again.
func (b *Builder) arrive() {
	for _, g := range b.Tracks {
		parent, first := b.ByID[g.Parent], g.Pieces[0]
		if parent == nil || parent == g || !b.PerCall(first.Stack) {
			continue
		}
		i, _ := slices.BinarySearchFunc(parent.Pieces, first.From, func(p Piece, at int64) int { return cmp.Compare(p.From, at) })
		for i--; i >= 0 && parent.Pieces[i].Waits() && first.From-parent.Pieces[i].From < Near; {
			i--
		}
		if i < 0 || parent.Pieces[i].Waits() {
			continue
		}
		if at := b.Woken(parent.Pieces[:i], parent.Pieces[i].From); at < first.From {
			g.Pieces = slices.Insert(g.Pieces, 0, b.Arrived(at, first.From, first.Stack))
		}
	}
}
