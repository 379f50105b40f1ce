package goroutine

import "testing"

// Wait reasons of the heap's release.
const (
	semacquire  = 13
	selects     = 18
	chanReceive = 19
	chanSend    = 20
	condWait    = 21
	mutexLock   = 22
)

// thing is the address of number n of the things outside of stacks: channels, sudogs, locks.
func (h *heap) thing(n int) uint64 { return h.lo(int(word(h.mem, 0))) + uint64(n)*fetchSize }

// channel writes channel n, at which somebody waits to send or to receive.
func (h *heap) channel(n int, size, count uint64, send bool) uint64 {
	c := h.thing(n)
	h.put(c, count)
	h.put(c+8, size)
	if send {
		h.put(c+80, h.thing(20))
	} else {
		h.put(c+64, h.thing(20))
	}
	return c
}

// sudog writes sudog n of goroutine i, for a channel.
func (h *heap) sudog(n, i int, c uint64) uint64 {
	sg := h.thing(20 + n)
	h.put(sg, h.g(i))
	h.put(sg+96, c)
	return sg
}

// selects makes goroutine 0 wait for channels in one select.
func (h *heap) selects(cs ...uint64) {
	h.park(0, 7, selects, 64, 1, 2)
	at := h.g(0) + 312
	for n, c := range cs {
		sg := h.sudog(n, 0, c)
		h.put(at, sg)
		at = sg + 72
	}
}

// receives makes goroutine 0 receive from a channel.
func (h *heap) receives(c uint64) {
	h.park(0, 7, chanReceive, 64, 1, 2)
	h.set(0, 312, h.sudog(0, 0, c))
}

// waitsOn is what goroutine 0 is seen to wait for.
func (h *heap) waitsOn(minor int) string {
	l := h.layout()
	l.Minor = minor
	s, err := newScanner(h, l, h.vars(), Options{Rate: 1000, Split: true})
	if err != nil {
		h.t.Fatal(err)
	}
	s.mem.reasons()
	s.clock.now = func() int64 { return h.clock }
	h.step(s)
	h.step(s)
	if on := s.mem.chunks[0].slots[0].now.on; on != nil {
		return on.String()
	}
	return ""
}

// What is waited for is said if memory proves it, and not said otherwise.
func TestWaitsOnChannels(t *testing.T) {
	tests := []struct {
		name, want string
		edit       func(h *heap)
	}{
		{"receive", "chan 0x40000 cap=0 len=0 recv", func(h *heap) { h.receives(h.channel(0, 0, 0, false)) }},
		{"send to a full one", "chan 0x40000 cap=3 len=3 send", func(h *heap) {
			h.receives(h.channel(0, 3, 3, true))
			*h.byte(0, 176) = chanSend
		}},
		{"timer", "timer 0x40000", func(h *heap) {
			h.receives(h.channel(0, 1, 0, false))
			h.put(h.thing(0)+32, h.thing(9))
		}},
		{"receive from one that is not empty", "", func(h *heap) { h.receives(h.channel(0, 3, 1, false)) }},
		{"receive from one at which nobody waits", "", func(h *heap) { h.receives(h.channel(0, 0, 0, true)) }},
		{"send to one that is not full", "", func(h *heap) {
			h.receives(h.channel(0, 3, 2, true))
			*h.byte(0, 176) = chanSend
		}},
		{"no sudog", "", func(h *heap) {
			h.receives(h.channel(0, 0, 0, false))
			h.set(0, 312, 0)
		}},
		{"a sudog somewhere", "", func(h *heap) {
			h.receives(h.channel(0, 0, 0, false))
			h.set(0, 312, 0x7fff00000008)
		}},
		{"somebody else's sudog", "", func(h *heap) {
			h.receives(h.channel(0, 0, 0, false))
			h.put(h.thing(20), h.g(1))
		}},
		{"a channel somewhere", "", func(h *heap) { h.receives(0x100000) }},
		{"a channel at an odd address", "", func(h *heap) { h.receives(h.channel(0, 0, 0, false) + 1) }},
		{"select", "chan 0x40000 cap=0 len=0 recv, chan 0x40080 cap=2 len=2 send, chan 0x40100 cap=1 len=0 recv", func(h *heap) {
			h.selects(h.channel(0, 0, 0, false), h.channel(1, 2, 2, true), h.channel(2, 1, 0, false))
		}},
		{"select whose sudogs lie far from each other", "chan 0x40000 cap=0 len=0 recv, chan 0x40080 cap=0 len=0 recv", func(h *heap) {
			h.selects(h.channel(0, 0, 0, false))
			h.put(h.thing(20)+72, h.sudog(spanBytes/fetchSize, 0, h.channel(1, 0, 0, false)))
		}},
		{"select of which one is no channel", "", func(h *heap) {
			h.selects(h.channel(0, 0, 0, false), h.channel(1, 2, 1, true), h.channel(2, 1, 0, false))
		}},
		{"select out of order", "", func(h *heap) { h.selects(h.channel(1, 0, 0, false), h.channel(0, 0, 0, false)) }},
		{"select whose second sudog is somebody else's", "", func(h *heap) {
			h.selects(h.channel(0, 0, 0, false), h.channel(1, 0, 0, false))
			h.put(h.thing(21), h.g(1))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHeap(t, 2)
			tt.edit(h)
			if got := h.waitsOn(26); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestWaitsOnSemaphores(t *testing.T) {
	mutex := func(h *heap) { // since Go 1.26
		h.park(0, 7, mutexLock, 64, 1, 2)
		h.put(h.sudog(0, 0, 0)+32, h.thing(0)+4)
		h.set(0, 312, h.thing(20))
	}
	onStack := func(h *heap, reason byte, words ...uint64) {
		h.park(0, 7, reason, 128, 1, 2)
		for i, w := range words {
			h.put(word(h.mem, int(h.g(0)+56-base))+uint64(40+8*i), w)
		}
	}
	const locks25, conds25 = 22, 21 // wait reasons of Go 1.25
	tests := []struct {
		name, want string
		minor      int
		edit       func(h *heap)
	}{
		{"mutex", "mutex 0x40000", 26, mutex},
		{"a sudog that is over", "", 26, func(h *heap) {
			mutex(h)
			h.put(h.thing(20)+32, 0)
		}},
		{"a sudog that has a channel too", "", 26, func(h *heap) {
			mutex(h)
			h.put(h.thing(20)+96, h.thing(1))
		}},
		{"on the stack", "mutex 0x40000", 25, func(h *heap) {
			h.put(h.sudog(0, 0, 0)+32, h.thing(0)+4)
			h.put(h.sudog(1, 1, 0)+32, h.thing(1)+4) // another goroutine's
			onStack(h, locks25, 0, ^uint64(0), h.thing(21), h.lo(0)+8, h.thing(20), h.thing(0)+4)
		}},
		{"a semaphore that is not on the stack", "", 25, func(h *heap) {
			h.put(h.sudog(0, 0, 0)+32, h.thing(0)+4)
			onStack(h, locks25, h.thing(20))
		}},
		{"condition on the stack", "cond 0x40000", 25, func(h *heap) {
			list := h.thing(0) + condList
			h.put(list, 1<<32|2)
			h.put(list+16, h.thing(20))
			h.put(list+32, list+32)
			onStack(h, conds25, h.thing(3), list)
		}},
		{"condition whose waiters were all notified", "", 25, func(h *heap) {
			list := h.thing(0) + condList
			h.put(list, 2<<32|2)
			h.put(list+32, list+32)
			onStack(h, conds25, list)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHeap(t, 2)
			tt.edit(h)
			if got := h.waitsOn(tt.minor); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// A select whose sudogs go round ends, and one with more cases than are read says so.
func TestWaitsOnIsBounded(t *testing.T) {
	h := newHeap(t, 2)
	c := h.channel(0, 0, 0, false)
	h.selects(c, c)
	h.put(h.thing(21)+72, h.thing(20))
	const one = "chan 0x40000 cap=0 len=0 recv, "
	if got, want := h.waitsOn(26), one+one+one+one+one+one+one+one+"..."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if h.reads > 100 {
		t.Errorf("%d pieces read", h.reads)
	}
}

// Who runs while it is found out what it waits for waits for nothing that is known.
func TestWaitsOnOfOneThatRan(t *testing.T) {
	h := newHeap(t, 2)
	h.selects(h.channel(0, 0, 0, false), h.channel(1, 0, 0, false))
	h.before = func(addr uint64) {
		if addr == h.thing(1) { // the second channel, which is read in a round of its own
			*h.byte(0, 191)++
		}
	}
	if got := h.waitsOn(26); got != "" {
		t.Errorf("%q", got)
	}
}
