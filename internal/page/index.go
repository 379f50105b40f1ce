package page

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// index is what rows and lanes name by numbers: texts, stacks and sets of labels.
type index struct {
	texts  table
	stacks trie
	sets   table // each a list of pairs of texts
	key    []byte
}

func newIndex() *index { return &index{stacks: newTrie()} }

// size is about how much memory it takes, with what it takes to write it.
func (x *index) size() int64 {
	return x.texts.size() + x.sets.size() + nodeCost*int64(len(x.stacks.nodes))
}

// frames are the functions of a location, root first.
func (x *index) frames(l *profile.Location) (frames []int32) {
	for _, ln := range slices.Backward(l.Line) {
		name, file := "[unknown]", ""
		if ln.Function != nil {
			name, file = cmp.Or(ln.Function.Name, ln.Function.SystemName, name), ln.Function.Filename
		}
		frames = append(frames, x.frame(name, file))
	}
	if len(l.Line) == 0 {
		frames = append(frames, x.frame(samples.Unnamed(l), ""))
	}
	return frames
}

func (x *index) frame(name, file string) int32 {
	return x.stacks.frame(x.texts.of(name), x.texts.of(file))
}

// pair is a label as two texts.
func (x *index) pair(key, value string) [2]int32 { return [2]int32{x.texts.of(key), x.texts.of(value)} }

// set is the number of a set of labels. It sorts the pairs.
func (x *index) set(pairs [][2]int32) int32 {
	slices.SortFunc(pairs, func(x, y [2]int32) int { return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1])) })
	x.key = x.key[:0]
	for _, p := range pairs {
		x.key = binary.AppendUvarint(binary.AppendUvarint(x.key, uint64(p[0])), uint64(p[1]))
	}
	return x.sets.of(string(x.key))
}

// pairs are those of a set.
func pairs(set string) (list [][2]int32) {
	for rest := []byte(set); len(rest) > 0; {
		k, n := binary.Uvarint(rest)
		v, m := binary.Uvarint(rest[n:])
		list, rest = append(list, [2]int32{int32(k), int32(v)}), rest[n+m:]
	}
	return list
}

// states are those of all sets.
func (x *index) states() (names []string) {
	key, ok := x.texts.number[sample.KeyState]
	if !ok {
		return nil
	}
	for _, set := range x.sets.list {
		for _, p := range pairs(set) {
			if name := x.texts.list[p[1]]; p[0] == key && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// put writes stacks and sets, and returns where each node of the trie went.
func (x *index) put(a *arrays) (place []int32) {
	nodes, place := x.stacks.order(x.texts.list)
	var names, files, up []int32
	for _, f := range x.stacks.frames {
		names, files = append(names, f[0]), append(files, f[1])
	}
	depth := int32(0)
	for _, n := range nodes[1:] {
		at := x.stacks.nodes[n].depth
		up = append(up, depth+1-at) // how far up its parent is from the node before
		depth = at
	}
	put(a, "names", names)
	put(a, "files", files)
	put(a, "up", up)
	x.stacks.putCalls(a, nodes[1:])
	x.putSets(a)
	return place
}

func (x *index) putSets(a *arrays) {
	var count, pair []int32
	for _, set := range x.sets.list {
		list := pairs(set)
		count = append(count, int32(len(list)))
		for _, p := range list {
			pair = append(pair, p[0], p[1])
		}
	}
	put(a, "pairs", count)
	put(a, "pair", pair)
}

// lasting is a label's value without what is of one moment only, such as how full a channel is. Of what a goroutine waits
// for, one object is kept; the cases of a select are another list at each call.
func lasting(key, value string) (string, bool) {
	if key != sample.KeyWaitOn {
		return value, true
	}
	objects, _, err := sample.ParseObjects(value)
	if err != nil {
		return value, true
	}
	return lastingObject(objects)
}

func lastingObject(objects []sample.Object) (string, bool) {
	if len(objects) != 1 || objects[0].Kind == sample.Timer || objects[0].Time {
		return "", false
	}
	return fmt.Sprintf("%v %#x", objects[0].Kind, objects[0].Addr), true
}
