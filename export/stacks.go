package export

import (
	"errors"
	"fmt"
	"math"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// frame is what viewers show as one function: the line within it is left out, or each line would be a function.
type frame struct {
	name, file string
	line       int64 // where the function begins, 0: not known
}

// node is a frame of a stack below its caller.
type node struct{ parent, frame int32 }

// noNode is the caller of a root.
const noNode = int32(-1)

// stacks are all stacks of a profile as one tree: what they have in common is there once.
type stacks struct {
	frames []frame
	nodes  []node // callers before callees

	byFrame map[frame]int32
	byNode  map[node]int32
	byPlace map[place]int32 // the innermost node of a location below a caller
}

type place struct {
	parent int32
	l      *profile.Location
}

func newStacks() *stacks {
	return &stacks{byFrame: make(map[frame]int32), byNode: make(map[node]int32), byPlace: make(map[place]int32)}
}

// leaf is the node of a sample's innermost frame, with labels before the root; noNode if it has no frame.
func (t *stacks) leaf(s *profile.Sample, labels []string) int32 {
	at := noNode
	for _, key := range labels {
		at = t.call(at, frame{name: labelFrame(s, key)})
	}
	for i := len(s.Location) - 1; i >= 0; i-- {
		at = t.location(at, s.Location[i])
	}
	return at
}

func (t *stacks) location(parent int32, l *profile.Location) int32 {
	at, ok := t.byPlace[place{parent, l}]
	if ok {
		return at
	}
	at = parent
	if len(l.Line) == 0 {
		at = t.call(at, frame{name: valid(samples.Unnamed(l))})
	}
	for i := len(l.Line) - 1; i >= 0; i-- {
		f := frame{name: frameName(l.Line[i].Function)}
		if fn := l.Line[i].Function; fn != nil {
			f.file, f.line = valid(fn.Filename), fn.StartLine
		}
		at = t.call(at, f)
	}
	t.byPlace[place{parent, l}] = at
	return at
}

// call is the node of a frame below a caller.
func (t *stacks) call(parent int32, f frame) int32 {
	id, ok := t.byFrame[f]
	if !ok {
		id = int32(len(t.frames))
		t.frames, t.byFrame[f] = append(t.frames, f), id
	}
	n := node{parent, id}
	at, ok := t.byNode[n]
	if !ok {
		at = int32(len(t.nodes))
		t.nodes, t.byNode[n] = append(t.nodes, n), at
	}
	return at
}

// path appends the frames of a stack, the root first.
func (t *stacks) path(to []int32, leaf int32) []int32 {
	begin := len(to)
	for at := leaf; at != noNode; at = t.nodes[at].parent {
		to = append(to, t.nodes[at].frame)
	}
	for i, j := begin, len(to)-1; i < j; i, j = i+1, j-1 {
		to[i], to[j] = to[j], to[i]
	}
	return to
}

// sums are the values of a profile by stack.
type sums struct {
	*stacks
	leaves []int32   // each once, in the order of the samples
	values [][]int64 // of each column, beside leaves
	totals []int64   // of each column
}

// errRange says that a profile has numbers that a format cannot hold.
var errRange = errors.New("has negative values, or a sum that is more than 63 bits: write pprof instead")

// errNoColumns says that a profile has nothing that a viewer could show: speedscope and the Firefox Profiler refuse such a file.
var errNoColumns = errors.New("the profile has no sample types")

// total adds a column up. A part of it is in range if all of it is.
func total(p *profile.Profile, column int) (sum int64, err error) {
	for _, s := range p.Sample {
		v := s.Value[column]
		if v < 0 || sum > math.MaxInt64-v {
			return 0, fmt.Errorf("column %s %w", p.SampleType[column].Type, errRange)
		}
		sum += v
	}
	return sum, nil
}

// sum adds the samples up.
func sum(p *profile.Profile, labels []string) (*sums, error) {
	columns := len(p.SampleType)
	if columns == 0 {
		return nil, errNoColumns
	}
	x := &sums{stacks: newStacks(), values: make([][]int64, columns), totals: make([]int64, columns)}
	for c := range columns {
		var err error
		if x.totals[c], err = total(p, c); err != nil {
			return nil, err
		}
	}
	index := make(map[int32]int)
	for _, s := range p.Sample {
		leaf := x.leaf(s, labels)
		i, ok := index[leaf]
		if !ok {
			i = len(x.leaves)
			index[leaf], x.leaves = i, append(x.leaves, leaf)
		}
		for c, v := range s.Value {
			if !ok {
				x.values[c] = append(x.values[c], 0)
			}
			x.values[c][i] += v
		}
	}
	return x, nil
}
