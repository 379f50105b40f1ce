package goroutine

import (
	"encoding/binary"
	"errors"
	"io/fs"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A goroutine in "IO wait" waits for a file; which one is on its stack. It parked in
// runtime.netpollblock, whose variable gpp is &pollDesc.rg or &pollDesc.wg, as it waits to read or to
// write (runtime/netpoll.go); above it the receiver of poll.FD's methods has the pollDesc as well,
// in FD.pd.runtimeCtx. So no frame needs to be known: among the words of the stack's lower end
// there are one, gpp, and another, fd, such that the word at fd+pd is gpp minus the offset of rg or
// wg. Two words that fit each other like that are no accident; if more fit, because old ones lie
// about, the right one is where the goroutine itself is entered as waiting, or the lowest.
//
// The file's descriptor and sequence number are in the pollDesc: as long as both are the same the peer is.

const (
	ioWait     = sample.State("IO wait")
	gppSpan    = 512  // bytes of stack above sp that hold netpollblock's frame,
	fdSpan     = 1024 // and those of the methods of poll.FD
	heapSpan   = 1 << 38
	maxPeers   = 1 << 14
	maxGpp     = 4
	pollerHead = 64 // bytes of a pollDesc that hold fd, fdseq, rg, wg
)

// peerKey identifies an open file of the target for good: fdseq counts how often a pollDesc was
// given away (runtime/netpoll.go).
type peerKey struct{ desc, seq, fd uint64 }

// peers finds who goroutines wait for.
type peers struct {
	state  *stateReader
	mem    *memory
	lookUp func(fd int) (proc.Peer, error) // nil: not possible
	fields pollFields
	known  map[peerKey]*peer
	ports  map[int]bool // at which the process listens
	denied error        // why descriptors cannot be looked up

	todo   []polled
	heads  []byte // of pollDescs
	guess  []poll
	fds    [fdSpan / 8 * 8]byte
	pieces []proc.Piece
}

// polled is a job that needs a peer, and the copy of its stack from sp on.
type polled struct {
	job   *job
	stack []byte
}

// pollFields are offsets in runtime.pollDesc and internal/poll.FD; seq is -1 before Go 1.21.
type pollFields struct{ fd, seq, rg, wg, desc int }

// newPeers is without effect where the layout is not known, or without lookUp.
func newPeers(state *stateReader, lookUp func(int) (proc.Peer, error)) peers {
	l := state.mem.l
	d := &l.PollDesc
	f := pollFields{fd: int(d.FD), seq: int(d.FD) + 8, rg: int(d.RG), wg: int(d.WG), desc: int(l.FD.PollDesc)}
	if d.RG < d.FD+24 {
		f.seq = -1 // fd is followed by atomicInfo and rg
	}
	if f.fd < 0 || f.desc < 0 || f.rg < f.fd+8 || f.wg < f.fd+8 || max(f.rg, f.wg) > pollerHead-8 {
		lookUp = nil
	}
	return peers{state: state, mem: state.mem, lookUp: lookUp, fields: f, known: make(map[peerKey]*peer), ports: make(map[int]bool)}
}

// waits says whether a job waits for a file that can be found out.
func (p *peers) waits(j *job) bool {
	return p.lookUp != nil && j.kind == parked && p.state.name(j) == ioWait
}

// again says whether a job waits for a file and did so before: mostly it is the same, and its
// pollDesc is read together with the stack.
func (p *peers) again(j *job) bool { return j.s.poll != nil && p.waits(j) }

// want enters the peer of a job that was walked, if it waits as it did before, or notes that it needs one.
func (p *peers) want(j *job, r *reading) {
	if !p.waits(j) || j.key.sp < r.base || j.key.sp-r.base >= uint64(len(r.mem)) {
		return
	}
	stack := r.mem[j.key.sp-r.base:]
	last := j.s.poll
	if last == nil || r.poll == nil || last.at+8 > len(stack) || word(stack, last.at) != last.gpp || word(r.poll, p.fields.fd) >= 1<<31 {
		p.todo = append(p.todo, polled{j, stack})
		return
	}
	p.enter(j, *last, r.poll)
}

// find enters the peers of all jobs noted. Each costs two reads.
func (p *peers) find() error {
	defer func() { clear(p.todo); p.todo = p.todo[:0] }()
	for i := range p.todo {
		if err := p.findOne(&p.todo[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *peers) findOne(t *polled) error {
	p.guess = p.guess[:0]
	if err := p.guessPoll(t); err != nil || len(p.guess) == 0 {
		return err
	}
	p.heads = grow(p.heads, pollerHead*len(p.guess))
	p.pieces = p.pieces[:0]
	for i, g := range p.guess {
		p.pieces = append(p.pieces, proc.Piece{Addr: g.desc, Buf: p.heads[pollerHead*i : pollerHead*(i+1)]})
	}
	if err := p.mem.Gather(p.pieces); err != nil {
		return err
	}
	best := -1
	for i, g := range p.guess {
		head := p.pieces[i].Buf
		switch {
		case !p.pieces[i].OK || word(head, p.fields.fd) >= 1<<31:
		case word(head, int(g.gpp-g.desc)) == t.job.s.addr:
			best = i
		case best < 0:
			best = i // it has been woken since
		}
	}
	if best >= 0 {
		p.enter(t.job, p.guess[best], p.pieces[best].Buf)
	}
	return nil
}

// guessPoll finds the pairs of words that fit each other.
func (p *peers) guessPoll(t *polled) error {
	p.pieces = p.pieces[:0]
	lo, hi := t.job.key.lo, word(t.job.g, p.mem.f.hi)
	for i := 0; i+8 <= min(len(t.stack), fdSpan); i += 8 {
		w := word(t.stack, i)
		if w&7 != 0 || w-t.job.s.addr+heapSpan > 2*heapSpan || w >= lo && w < hi {
			continue // not in the heap
		}
		p.pieces = append(p.pieces, proc.Piece{Addr: w + uint64(p.fields.desc), Buf: p.fds[i : i+8 : i+8]})
	}
	if err := p.mem.Gather(p.pieces); err != nil {
		return err
	}
	for _, fd := range p.pieces {
		if !fd.OK {
			continue
		}
		desc := binary.LittleEndian.Uint64(fd.Buf)
		for i := 0; i+8 <= min(len(t.stack), gppSpan) && len(p.guess) < maxGpp; i += 8 {
			switch w := word(t.stack, i); w - desc {
			case uint64(p.fields.rg):
				p.guess = append(p.guess, poll{gpp: w, at: i, desc: desc})
			case uint64(p.fields.wg):
				p.guess = append(p.guess, poll{gpp: w, at: i, desc: desc, write: true})
			}
		}
	}
	return nil
}

// introduce finds out who is a client: who is connected to a port at which the process listens. A
// server's listening socket has a goroutine that waits for it, so it is among the peers.
func (p *peers) introduce(x *peer) {
	switch {
	case !x.Listens:
		x.isClient.Store(p.ports[x.Port])
	case x.Port != 0 && !p.ports[x.Port]:
		p.ports[x.Port] = true
		for _, other := range p.known {
			if other.Port == x.Port && !other.Listens {
				other.isClient.Store(true)
			}
		}
	}
}

// enter looks up the file of a pollDesc, of which head was read.
func (p *peers) enter(j *job, g poll, head []byte) {
	key := peerKey{desc: g.desc, fd: word(head, p.fields.fd)}
	if p.fields.seq >= 0 {
		key.seq = word(head, p.fields.seq)
	}
	known := p.known[key]
	if known == nil || p.fields.seq < 0 {
		found, err := p.lookUp(int(key.fd))
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
			p.denied = err
		}
		if err != nil {
			return // closed meanwhile, or not allowed: the wait is left without a name
		}
		if len(p.known) >= maxPeers {
			clear(p.known)
		}
		if known == nil || known.Peer != found {
			known = newPeer(found)
			p.known[key] = known
			p.introduce(known)
		}
	}
	j.seen.peer, j.seen.write = known, g.write
	if j.s.poll == nil {
		j.s.poll = new(poll)
	}
	*j.s.poll = g
}
