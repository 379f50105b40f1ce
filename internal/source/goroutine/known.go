package goroutine

import "slices"

const (
	maxRemembered = 1 << 18 // return addresses of distinct stacks remembered: 2 MB
	stackCost     = 12      // as many addresses as a stack takes besides its own
)

// knownStacks remembers stacks, so that equal ones are mostly one.
type knownStacks struct {
	byHash map[uint64]*stack
	size   int // return addresses in them
}

// intern returns the stack with these return addresses, a new one if it is not known.
func (r *knownStacks) intern(pcs []uint64, truncated bool) *stack {
	h := uint64(len(pcs))
	for _, pc := range pcs {
		h = (h ^ pc) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	if st := r.byHash[h]; st != nil && st.truncated == truncated && slices.Equal(st.pcs, pcs) {
		return st
	}
	st := &stack{pcs: slices.Clone(pcs), truncated: truncated}
	if r.byHash == nil {
		r.byHash = make(map[uint64]*stack)
	}
	cost := stackCost + len(st.pcs)
	if r.size += cost; r.size > maxRemembered {
		clear(r.byHash)
		r.size = cost
	}
	r.byHash[h] = st
	return st
}
