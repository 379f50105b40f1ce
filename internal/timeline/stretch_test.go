package timeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// moment is what a goroutine of a kept connection did for 5 ms.
type moment struct {
	state, stack, label string
}

// TestStretches has two requests on one connection, or one, of which no scan saw it idle.
func TestStretches(t *testing.T) {
	const answer = "net/http.(*response).finishRequest"
	for name, tt := range map[string]struct {
		moments []moment
		want    string
	}{
		"the answer is sent between": {[]moment{{"sleep", "main.a " + serveHTTP, "/a"}, {"syscall", answer, ""},
			{"sleep", "main.a " + serveHTTP, "/a"}}, " /a:5 /a:5"},
		"one that waits for a CPU sends it": {[]moment{{"sleep", "main.all " + serveHTTP, "/a"}, {"preempted", answer, ""},
			{"sleep", "main.all " + serveHTTP, "/b"}}, " /a:5 /b:5"},
		"its stack may be of the request before": {[]moment{{"sleep", "main.a " + serveHTTP, ""}, {"preempted", answer, ""},
			{"sleep", "main.a " + serveHTTP, ""}}, " :15"},
		"another handler": {[]moment{{"sleep", "main.a net/http.HandlerFunc.ServeHTTP net/http.(*ServeMux).ServeHTTP " + serveHTTP, "/a"},
			{"sleep", "main.b net/http.HandlerFunc.ServeHTTP net/http.(*ServeMux).ServeHTTP " + serveHTTP, "/b"}}, " /a:5 /b:5"},
		"woken, and runnable until the handler begins": {[]moment{{"runnable", "net/http.(*connReader).Read", ""},
			{"preempted", "net/http.(*connReader).Read", ""}, {"sleep", "main.a " + serveHTTP, "/a"}}, " /a:15"},
		"runnable while it answers the one before": {[]moment{{"sleep", "main.a " + serveHTTP, "/a"}, {"syscall", answer, ""},
			{"runnable", answer, ""}, {"sleep", "main.a " + serveHTTP, "/a"}}, " /a:5 /a:5"},
		"waits for pages, with the stack of a moment before": {[]moment{{"sleep", "main.a " + serveHTTP, "/a"},
			{"syscall", "net/http.(*connReader).Read", ""}, {"syscall", "net/http.(*connReader).Read", ""},
			{"syscall", "net/http.(*connReader).Read", ""}, {"syscall", "net/http.(*connReader).Read", ""},
			{"sleep", "main.a " + serveHTTP, "/a"}}, " /a:30"},
		"reads it before the handler": {[]moment{{"IO wait", "net/http.(*connReader).Read", ""}, {"running", "net/http.(*connReader).Read", ""},
			{"sleep", "main.a " + serveHTTP, "/a"}}, " /a:10"},
		"steps of one handler": {[]moment{{"sleep", "main.read main.a " + serveHTTP, "read"},
			{"sleep", "main.write main.a " + serveHTTP, "write"}}, " read:10"},
		"a framework calls one after the other": {[]moment{{"sleep", "main.auth example.com/mux.(*Engine).ServeHTTP " + serveHTTP, ""},
			{"sleep", "main.b example.com/mux.(*Engine).ServeHTTP " + serveHTTP, "/b"}}, " /b:10"},
	} {
		w := newWorld(ByTime)
		at := 300 * ms
		idle := w.on("internal/poll.(*FD).Read", "net/http.(*connReader).Read", serveConn)
		pieces := []Piece{w.piece(1, at, State{Name: "IO wait"}, idle)}
		for _, m := range tt.moments {
			p := w.piece(at, at+5*ms, State{Name: m.state}, w.on(append(strings.Fields(m.stack), serveConn)...))
			if m.label != "" {
				p.Labels = w.LabelSet(map[string]string{"endpoint": m.label})
			}
			pieces, at = append(pieces, p), at+5*ms
		}
		w.AddTrack(&Track{Goid: 1, Pieces: append(pieces, w.piece(at, w.To, State{Name: "IO wait"}, idle))})
		w.Settle()
		got := ""
		for _, r := range w.Find(Selector{}).Whole {
			got += fmt.Sprint(" ", w.Labels[r.Labels]["endpoint"], ":", r.Length()/ms)
		}
		if got != tt.want {
			t.Errorf("%s: got%s, want%s", name, got, tt.want)
		}
		for _, r := range w.Find(Selector{By: Func, Name: "main.a"}).Whole { // calls of a function begin with it
			i := slices.IndexFunc(r.Main.Pieces, func(p Piece) bool { return p.From == r.From })
			if i < 0 || !w.Has(&w.Stacks[r.Main.Pieces[i].Stack], []string{"main.a"}) {
				t.Errorf("%s: a call of main.a begins at %d ms", name, r.From/ms)
			}
		}
	}
}
