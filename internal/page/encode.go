package page

import (
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
	Cells    int64        `json:"cells"`  // how many there are, 0 without a timeline
	Cell     int64        `json:"cell"`   // ns
	Tick     int64        `json:"tick"`   // ns
	Length   int          `json:"length"` // the column that says how long samples are, -1: none
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
	Parts []int  `json:"parts"` // columns that are to be added to what is there
}

// headState says what a state of goroutines is.
type headState struct {
	Name    string        `json:"name"`
	Kind    timeline.Kind `json:"kind"`
	Meaning string        `json:"meaning"`
}

// Data writes what the page shows, for a server whose page asks for it.
func (b *Builder) Data(w io.Writer) error {
	var a arrays
	var lanes *placed
	if b.life != nil {
		lanes = b.life.place(b.index)
	}
	place := b.index.put(&a)
	order := b.rows.order(place)
	b.rows.put(&a, order, place)
	if from, _, ok := b.series.window(); ok {
		b.series.put(&a, order, from, b.ticks)
	}
	if b.life != nil {
		lanes.put(&a, place, b.begin())
	}
	head, err := json.Marshal(b.head(&a))
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(w) // the best compression is 2 % smaller, and takes six times as long on small numbers
	for _, part := range [][]byte{binary.LittleEndian.AppendUint32(nil, uint32(len(head))), head, a.data.Bytes()} {
		if _, err := zip.Write(part); err != nil {
			return err
		}
	}
	return zip.Close()
}

// ticks is how many a row has if it was all of the time that its samples say.
func (b *Builder) ticks(row int) int64 {
	if b.length < 0 {
		return 0
	}
	if v := b.rows.list[row].values[b.length]; v >= 0 && v < exact {
		return v / int64(tick)
	}
	return 0
}

func (b *Builder) head(a *arrays) head {
	h := head{Title: b.options.Title, Columns: []headColumn{}, Labels: b.options.Labels, Duration: b.duration, Notes: b.notes,
		Texts: b.index.texts.list, Arrays: a.list}
	h.Start = strconv.FormatInt(b.start, 10)
	if b.life != nil {
		h.Start = strconv.FormatInt(b.begin(), 10)
		h.Requests, h.Goroutines = b.life.found, len(b.life.Tracks)
		for k := range timeline.Kind(timeline.Kinds) {
			h.Kinds = append(h.Kinds, headState{k.String(), k, k.Meaning()})
		}
	}
	if from, to, ok := b.series.window(); ok {
		h.Cells, h.Cell = (to-from+int64(cell)-1)/int64(cell), int64(cell)
		h.Tick, h.Length = int64(tick), b.length
	} else if len(b.series.spans) > 0 {
		h.Notes = append(h.Notes, fmt.Sprintf("no heat map: the samples' times are more than %s apart", longest))
	}
	for _, name := range b.index.states() {
		k := timeline.KindOfState(name)
		h.States = append(h.States, headState{name, k, k.Meaning()})
		if k == timeline.Unknown && name != string(sample.Unknown) {
			h.States[len(h.States)-1].Meaning = "waits, for what the runtime calls this"
		}
	}
	h.Column = b.first(len(h.States) > 0)
	for i, c := range b.rows.columns {
		h.Columns = append(h.Columns, headColumn{c.name, c.unit, c.total.String(), b.rows.parts(i)})
	}
	return h
}

// first is the column to begin with: the one that was asked for, wall where there are states, which are about that, the profile's
// default, or the last, as pprof has it. Of two with one name it is the first.
func (b *Builder) first(states bool) int {
	want := []string{b.options.Column, b.defaultType}
	if states {
		want = slices.Insert(want, 1, sample.ColumnWall)
	}
	for _, name := range want {
		if i := slices.IndexFunc(b.rows.columns, func(c column) bool { return c.name == name }); i >= 0 && name != "" {
			return i
		}
	}
	return len(b.rows.columns) - 1
}
