package page

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// The data are gzip of: the length of the head as four bytes, little endian; the head, JSON; then the arrays that the head
// names, one behind the other, each a row of varints (LEB128, zigzag). A column of like numbers compresses far better than
// rows do, and is read at a pace of 100 MB a second by some lines of JavaScript (web/data.js).

// head is what is no array of numbers.
type head struct {
	Title    string       `json:"title"`
	Columns  []headColumn `json:"columns"`
	Column   int          `json:"column"` // the one to begin with
	Labels   []string     `json:"labels"` // the keys to group by at first; null: none were asked for
	Start    string       `json:"start"`  // Unix ns
	Duration int64        `json:"duration"`
	Notes    []string     `json:"notes"`
	Cells    int64        `json:"cells"` // how many there are, 0 without a timeline
	Cell     int64        `json:"cell"`  // ns
	States   []headState  `json:"states"`
	Kinds    []headState  `json:"kinds"`

	// Of these the lanes are some.
	Requests   int `json:"requests"`
	Goroutines int `json:"goroutines"`

	Texts  []string    `json:"texts"`
	Arrays []headArray `json:"arrays"`
}

type headColumn struct {
	Name  string `json:"name"`
	Unit  string `json:"unit"`
	Total string `json:"total"`
}

// headState says what a state of goroutines is.
type headState struct {
	Name    string        `json:"name"`
	Kind    timeline.Kind `json:"kind"`
	Meaning string        `json:"meaning"`
}

type headArray struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// arrays collects the columns of numbers.
type arrays struct {
	list []headArray
	data bytes.Buffer
	one  []byte
}

func put[N int | int32 | int64](a *arrays, name string, values []N) {
	for _, v := range values {
		a.one = binary.AppendVarint(a.one[:0], int64(v))
		a.data.Write(a.one)
	}
	a.list = append(a.list, headArray{name, len(values)})
}

// Data writes what the page shows, for a server whose page asks for it.
func (b *Builder) Data(w io.Writer) error {
	var a arrays
	node := b.place()
	place := b.putStacks(&a)
	b.putLabels(&a)
	b.putRows(&a, place)
	if b.life != nil {
		b.putLanes(&a, b.begin(), node, place)
	}
	head, err := json.Marshal(b.head(&a))
	if err != nil {
		return err
	}
	zip, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	for _, part := range [][]byte{binary.LittleEndian.AppendUint32(nil, uint32(len(head))), head, a.data.Bytes()} {
		if _, err := zip.Write(part); err != nil {
			return err
		}
	}
	return zip.Close()
}

// putStacks returns where each node of the trie went.
func (b *Builder) putStacks(a *arrays) (place []int32) {
	nodes, place := b.stacks.order(func(f int32) string { return b.texts.list[b.stacks.frames[f][0]] })
	var names, files, frame, up []int32
	for _, f := range b.stacks.frames {
		names, files = append(names, f[0]), append(files, f[1])
	}
	depth := int32(0)
	for _, n := range nodes[1:] {
		at := b.stacks.nodes[n]
		frame, up = append(frame, at.frame), append(up, depth+1-at.depth) // how far up its parent is from the node before
		depth = at.depth
	}
	put(a, "names", names)
	put(a, "files", files)
	put(a, "frame", frame)
	put(a, "up", up)
	return place
}

func (b *Builder) putLabels(a *arrays) {
	var count, pairs []int32
	for _, set := range b.sets.list {
		n := int32(0)
		for rest := []byte(set); len(rest) > 0; n++ {
			v, size := binary.Uvarint(rest)
			pairs, rest = append(pairs, int32(v)), rest[size:]
		}
		count = append(count, n/2)
	}
	put(a, "pairs", count)
	put(a, "pair", pairs)
}

func (b *Builder) putRows(a *arrays, place []int32) {
	order := make([]int, len(b.rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return int(place[b.rows[x].stack]) - int(place[b.rows[y].stack]) })
	var stack, set []int32
	last := int32(0)
	for _, i := range order {
		at := place[b.rows[i].stack]
		stack, set, last = append(stack, at-last), append(set, b.rows[i].set), at
	}
	put(a, "stack", stack)
	put(a, "set", set)
	for c, col := range b.columns {
		values := make([]int64, len(order))
		for at, i := range order {
			values[at] = b.rows[i].values[c]
		}
		put(a, "value "+col.name, values)
	}
	if from, _, ok := b.window(); ok {
		b.putSeries(a, order, from)
	}
}

func (b *Builder) head(a *arrays) head {
	h := head{Title: b.options.Title, Labels: b.options.Labels, Duration: b.duration, Notes: b.notes, Texts: b.texts.list, Arrays: a.list}
	h.Start = strconv.FormatInt(b.start, 10)
	if b.life != nil {
		h.Start = strconv.FormatInt(b.begin(), 10)
		h.Requests, h.Goroutines = b.life.found, len(b.life.Tracks)
		for k := range timeline.Kind(timeline.Kinds) {
			h.Kinds = append(h.Kinds, headState{k.String(), k, k.Meaning()})
		}
	}
	if from, to, ok := b.window(); ok {
		h.Cells, h.Cell = (to-from+int64(cell)-1)/int64(cell), int64(cell)
	} else if len(b.spans) > 0 {
		h.Notes = append(h.Notes, fmt.Sprintf("no heat map: the samples' times are more than %s apart", longest))
	}
	for _, name := range b.states() {
		k := timeline.KindOfState(name)
		h.States = append(h.States, headState{name, k, k.Meaning()})
		if k == timeline.Unknown && name != string(sample.Unknown) {
			h.States[len(h.States)-1].Meaning = "waits, for what the runtime calls this"
		}
	}
	want := cmp.Or(b.options.Column, b.defaultType)
	if b.options.Column == "" && len(h.States) > 0 {
		want = sample.ColumnWall // what states are about
	}
	h.Column = len(b.columns) - 1 // as pprof has it, where the profile does not say
	for i, c := range b.columns {
		h.Columns = append(h.Columns, headColumn{c.name, c.unit, c.total.String()})
		if c.name == want {
			h.Column = i
		}
	}
	return h
}

// states are those of all rows.
func (b *Builder) states() (names []string) {
	key, ok := b.texts.number[sample.KeyState]
	if !ok {
		return nil
	}
	for _, set := range b.sets.list {
		for rest := []byte(set); len(rest) > 0; {
			k, n := binary.Uvarint(rest)
			v, m := binary.Uvarint(rest[n:])
			if rest = rest[n+m:]; int32(k) == key && !slices.Contains(names, b.texts.list[v]) {
				names = append(names, b.texts.list[v])
			}
		}
	}
	return names
}
