package goroutine

import (
	"sync/atomic"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// peer is who a goroutine waits for. Whether that is a client can come out later, when the socket that
// it came in by is seen; whoever turns events into samples may be reading then.
type peer struct {
	proc.Peer
	name, client string // Peer.String, without and with Client
	isClient     atomic.Bool
}

func newPeer(p proc.Peer) *peer {
	x := &peer{Peer: p, name: p.String()}
	p.Client = true
	x.client = p.String()
	return x
}

func (p *peer) String() string {
	if p.isClient.Load() {
		return p.client
	}
	return p.name
}

// whole is the peer as it is known now.
func (p *peer) whole() proc.Peer {
	w := p.Peer
	w.Client = w.Client || p.isClient.Load()
	return w
}

// poll is how a goroutine was seen to wait for a file. The next wait mostly looks the same.
type poll struct {
	gpp   uint64
	at    int // of gpp, from sp
	desc  uint64
	write bool
}

// objects is what one wait is for.
type objects struct {
	list []sample.Object
	all  bool
	text string // made when it is needed first, by the one who turns events into samples
}

func (o *objects) String() string {
	if o.text == "" {
		o.text = sample.FormatObjects(o.list, o.all)
	}
	return o.text
}
