package page

import (
	"cmp"
	"slices"

	"github.com/mayfly-profiler/mayfly/internal/flame"
)

// trie is all stacks, root first: those that begin alike share their nodes. Node 0 is the empty stack.
type trie struct {
	nodes    []node
	children map[[2]int32]int32 // by node and frame
	frames   [][2]int32         // name and file
	byName   map[int32]int32    // frames, by their name
}

type node struct{ parent, frame, depth int32 }

func newTrie() trie {
	return trie{nodes: make([]node, 1), children: make(map[[2]int32]int32), byName: make(map[int32]int32)}
}

// frame is the number of a function, which its name tells apart.
func (t *trie) frame(name, file int32) int32 {
	f, ok := t.byName[name]
	if !ok {
		f = int32(len(t.frames))
		t.byName[name] = f
		t.frames = append(t.frames, [2]int32{name, file})
	}
	return f
}

// child is the node of a stack with one more frame. Below flame.Deepest there are none.
func (t *trie) child(parent, frame int32) int32 {
	if t.nodes[parent].depth >= flame.Deepest {
		return parent
	}
	n, ok := t.children[[2]int32{parent, frame}]
	if !ok {
		n = int32(len(t.nodes))
		t.children[[2]int32{parent, frame}] = n
		t.nodes = append(t.nodes, node{parent, frame, t.nodes[parent].depth + 1})
	}
	return n
}

// order is the nodes as they are written: each behind its parent and before what is not below that, by name. place is
// where each node went.
func (t *trie) order(name func(frame int32) string) (nodes, place []int32) {
	below := make([][]int32, len(t.nodes))
	for i := 1; i < len(t.nodes); i++ {
		p := t.nodes[i].parent
		below[p] = append(below[p], int32(i))
	}
	place = make([]int32, len(t.nodes))
	for todo := []int32{0}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		place[n] = int32(len(nodes))
		nodes = append(nodes, n)
		slices.SortFunc(below[n], func(a, b int32) int {
			return cmp.Compare(name(t.nodes[b].frame), name(t.nodes[a].frame))
		})
		todo = append(todo, below[n]...)
	}
	return nodes, place
}

// table gives equal texts one number.
type table struct {
	list   []string
	number map[string]int32
}

func (t *table) of(text string) int32 {
	n, ok := t.number[text]
	if !ok {
		if t.number == nil {
			t.number = make(map[string]int32)
		}
		n = int32(len(t.list))
		t.number[text] = n
		t.list = append(t.list, text)
	}
	return n
}
