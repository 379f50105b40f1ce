package page

import (
	"cmp"
	"maps"
	"slices"
	"strings"

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

// nodeCost is what a node takes, bytes: itself, its place in the map, and what it takes to order and to write it.
const nodeCost = 80

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
func (t *trie) order(texts []string) (nodes, place []int32) {
	rank := t.ranks(texts)
	begin := make([]int32, len(t.nodes)+1) // of each node's children in below
	for _, n := range t.nodes[1:] {
		begin[n.parent+1]++
	}
	for i := 1; i < len(begin); i++ {
		begin[i] += begin[i-1]
	}
	below, free := make([]int32, len(t.nodes)-1), slices.Clone(begin)
	for i, n := range t.nodes[1:] {
		below[free[n.parent]] = int32(i + 1)
		free[n.parent]++
	}
	nodes, place = make([]int32, 0, len(t.nodes)), make([]int32, len(t.nodes))
	for todo := []int32{0}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		place[n] = int32(len(nodes))
		nodes = append(nodes, n)
		mine := below[begin[n]:begin[n+1]]
		slices.SortFunc(mine, func(a, b int32) int { return int(rank[t.nodes[b].frame] - rank[t.nodes[a].frame]) })
		todo = append(todo, mine...)
	}
	return nodes, place
}

// ranks are the places of the frames by their names.
func (t *trie) ranks(texts []string) []int32 {
	order, rank := make([]int32, len(t.frames)), make([]int32, len(t.frames))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return strings.Compare(texts[t.frames[a][0]], texts[t.frames[b][0]]) })
	for at, f := range order {
		rank[f] = int32(at)
	}
	return rank
}

// putCalls writes for each function, behind none, which others it calls, the most frequent first; and of nodes the place in the list
// of their caller. A function calls few others: the places are small numbers, and most of them 0.
func (t *trie) putCalls(a *arrays, nodes []int32) {
	often := make(map[[2]int32]int)
	for _, n := range nodes {
		often[t.call(n)]++
	}
	calls := slices.SortedFunc(maps.Keys(often), func(x, y [2]int32) int {
		return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(often[y], often[x]), cmp.Compare(x[1], y[1]))
	})
	counts, callees, place := make([]int32, len(t.frames)+1), make([]int32, len(calls)), make(map[[2]int32]int32, len(calls))
	for i, c := range calls {
		place[c] = counts[c[0]+1]
		counts[c[0]+1]++
		callees[i] = c[1]
	}
	places := make([]int32, len(nodes))
	for i, n := range nodes {
		places[i] = place[t.call(n)]
	}
	put(a, "calls", counts)
	put(a, "callee", callees)
	put(a, "call", places)
}

// call is the frame of a node's parent, -1 of a root's, and its own.
func (t *trie) call(n int32) [2]int32 {
	caller := int32(-1)
	if p := t.nodes[n].parent; p != 0 {
		caller = t.nodes[p].frame
	}
	return [2]int32{caller, t.nodes[n].frame}
}

// table gives equal texts one number.
type table struct {
	list   []string
	number map[string]int32
	bytes  int64
}

// textCost is what a text takes besides its bytes, with its place in the map.
const textCost = 64

func (t *table) size() int64 { return textCost*int64(len(t.list)) + 2*t.bytes }

func (t *table) of(text string) int32 {
	n, ok := t.number[text]
	if !ok {
		if t.number == nil {
			t.number = make(map[string]int32)
		}
		n = int32(len(t.list))
		t.number[text] = n
		t.list = append(t.list, text)
		t.bytes += int64(len(text))
	}
	return n
}
