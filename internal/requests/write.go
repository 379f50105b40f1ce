package requests

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/printable"
	"github.com/mayfly-profiler/mayfly/internal/render"
	ids "github.com/mayfly-profiler/mayfly/internal/span"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Request is a request as JSON. Times are ns.
type Request struct {
	ID        string            `json:"id,omitempty"` // the label's value, where that is what a request is
	From      int64             `json:"from_ns"`      // Unix time
	Length    int64             `json:"length_ns"`
	Goroutine int64             `json:"goroutine"`
	Labels    map[string]string `json:"labels"`
	Span      ids.ID            `json:"span"` // that its labels name
	Moments   []Moment          `json:"moments"`
}

// Moment is a stretch of time in which nothing changed for one goroutine of a request.
type Moment struct {
	Goroutine int64    `json:"goroutine"`
	At        int64    `json:"at_ns"` // after the request began
	Length    int64    `json:"length_ns"`
	State     string   `json:"state"`
	Function  string   `json:"function,omitempty"` // the program's, where it was
	Peer      string   `json:"peer,omitempty"`
	Call      string   `json:"syscall,omitempty"`
	WaitOn    string   `json:"wait_on,omitempty"`
	Stack     []string `json:"stack"`           // the innermost first
	Guess     bool     `json:"guess,omitempty"` // the stack is of a moment before or after
}

// Requests are those that were picked, with all that their goroutines did.
func (f *Found) Requests() []Request {
	list := []Request{}
	for _, r := range f.Picked {
		labels := f.Labels[r.Labels]
		q := Request{ID: r.ID, From: r.From, Length: r.Length(), Goroutine: r.Main.Goid, Labels: labels, Moments: []Moment{}}
		q.Span = ids.Of(func(key string) string { return labels[key] })
		q.Moments = append(q.Moments, f.moments(r.Main, r)...)
		for _, k := range r.Kids {
			if f.works(k, r) {
				q.Moments = append(q.Moments, f.moments(k, r)...)
			}
		}
		list = append(list, q)
	}
	return list
}

// works says whether a goroutine that a request started did something for it: net/http looks meanwhile, in one, whether the client
// goes away, and nothing waits for that.
func (f *Found) works(k *timeline.Track, r *timeline.Request) (does bool) {
	k.During(r.From, r.To, func(p *timeline.Piece, _, _ int64) {
		does = does || p.Stack != f.Nothing && !f.Beside(p.Stack)
	})
	return does
}

// moments are what a goroutine did during a request; pieces that say the same are one.
func (f *Found) moments(g *timeline.Track, r *timeline.Request) (list []Moment) {
	var last *timeline.Piece
	g.During(r.From, r.To, func(p *timeline.Piece, from, to int64) {
		if n := len(list); n > 0 && last.State == p.State && last.Stack == p.Stack && last.On == p.On &&
			list[n-1].At+list[n-1].Length == from-r.From {
			list[n-1].Length += to - from
			return
		}
		last = p
		list = append(list, f.moment(g, p, span{from - r.From, to - r.From}))
	})
	return list
}

func (f *Found) moment(g *timeline.Track, p *timeline.Piece, when span) Moment {
	state := f.States[p.State]
	m := Moment{Goroutine: g.Goid, At: when.from, Length: when.to - when.from, State: state.Name, Peer: state.Peer, Call: state.Call,
		Stack: []string{}, Guess: p.Guess}
	if m.State == "" {
		m.State = p.Kind.String()
	}
	if at := f.Place(p.Stack); at != timeline.Nowhere {
		m.Function = f.Funcs[at.Fn].Name
	}
	if p.On != 0 {
		m.WaitOn = sample.FormatObjects(f.Objects[p.On], true)
	}
	for _, frame := range f.Stacks[p.Stack].Frames {
		m.Stack = append(m.Stack, f.Funcs[frame.Fn].Name)
	}
	return m
}

// Formats returns the ways to write requests.
func Formats() render.Formats[*Found] {
	return render.Formats[*Found]{
		{Name: "text", Write: func(w io.Writer, f *Found) error { return f.WriteText(w) }},
		{Name: "json", Write: func(w io.Writer, f *Found) error { return f.WriteJSON(w) }},
	}
}

// WriteJSON writes an array of Request.
func (f *Found) WriteJSON(w io.Writer) error {
	return render.JSON(w, f.Requests())
}

// WriteText writes requests for a terminal: a line that says which, and one for each moment.
func (f *Found) WriteText(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, q := range f.Requests() {
		began := time.Unix(0, q.From).UTC().Format("15:04:05.000000 UTC")
		fmt.Fprintf(out, "%s at %s, goroutine %d", millis(q.Length), began, q.Goroutine)
		if text := describe(q.Labels); text != "" {
			fmt.Fprintf(out, ": %s", printable.Line(text))
		}
		if id := q.Span.String(); id != "" {
			fmt.Fprintf(out, "\n%s", id)
		}
		fmt.Fprint(out, "\n\n")
		goid := q.Goroutine
		for _, m := range q.Moments {
			if m.Goroutine != goid {
				goid = m.Goroutine
				fmt.Fprintf(out, "  goroutine %d, which works for it:\n", goid)
			}
			fmt.Fprintf(out, "  %s\t%s\t%s\t%s\n", millis(m.At), millis(m.Length), printable.Line(m.State), printable.Line(m.where()))
		}
		fmt.Fprintln(out)
		if err := out.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d of %d whole requests; %d are cut off by an end of the recording\n", len(f.Picked), f.Whole, f.Cut)
	return err
}

// where is what a goroutine was in, and what it waited for.
func (m *Moment) where() string {
	var words []string
	for _, w := range []string{m.Function, m.Peer, m.Call, m.WaitOn} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}

// millis is a time to read.
func millis(ns int64) string { return fmt.Sprintf("%.2fms", float64(ns)/1e6) }
