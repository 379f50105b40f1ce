package shapes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/report"
)

// truth is what is known of a shape: testdata/shapes/truth.json.
type truth struct {
	Shape     string
	SLO       string
	Request   string   // what a request is, if not what report takes for one
	By        string   // the label that requests are grouped by,
	Group     string   // the group that the rest is about,
	Path      string   // and what the clients of that group ask for
	Slows     string   // what clients ask for whom the cause makes wait, if it is not all
	Met       bool     // as the handlers see it, and so there is no cause
	Before    bool     // clients wait before the handlers, and the report says so
	Kinds     []string // of the cause, in any of these words
	Functions []string // any of these; none: it does not matter
	Peer      string   // which upstream, by its name
	Limit     int      // how many are let in
	Quiet     bool     // shows itself only on a machine that has nothing else to do
	Postgres  bool     // is needed
	Quota     float64  // of the service's CPUs, if not all
	Daily     bool     // is right on any machine, and so part of every test run
}

func truths(t testing.TB) []truth {
	t.Helper()
	b, err := os.ReadFile("../../testdata/shapes/truth.json")
	check(t, err)
	var all []truth
	check(t, json.Unmarshal(b, &all))
	return all
}

// said is what a report says, in the words of its JSON.
type said struct {
	Verdict  string
	Why      string
	Requests int
	Slow     int
	P99      int64 `json:"p99_ns"`
	Window   report.Window
	Group    map[string]string
	Cause    *cause
	Notes    []string
	asked    []int64 // how long the clients of the group waited in the window, if it is one of several
}

type cause struct {
	Kind       string
	Function   string
	Peer       string
	Limit      int
	Evidence   string
	Share      float64
	Confidence float64
	Chain      []string
	Sentence   string
}

// outcome is what a report is worth.
type outcome string

const (
	right   outcome = "right"
	partly  outcome = "partly"  // right, but does not say which peer or how many
	unknown outcome = "unknown" // says that it does not know, or says it with little confidence
	wrong   outcome = "wrong"
	worst   outcome = "WORST" // a wrong name, above 80 %
)

const (
	little = 0.60
	much   = 0.80
)

// judge compares a report with the truth, and says what is wrong.
func (x truth) judge(s said, peers map[string]string) (outcome, string) {
	c := s.Cause
	if x.Met {
		switch {
		case s.Verdict == "met" && c == nil && x.Before && !slices.ContainsFunc(s.Notes, saysBefore):
			return partly, "nothing of the wait before the handlers"
		case s.Verdict == "met" && c == nil:
			return right, ""
		case c != nil && c.Confidence > much:
			return worst, "a cause where there is none"
		}
		return wrong, s.Verdict
	}
	if c == nil || c.Kind == "unknown" {
		return unknown, strings.TrimSpace(s.Verdict + " " + s.Why)
	}
	off := x.off(s, peers)
	switch {
	case off == "":
		return right, ""
	case off == noPeer || off == noLimit:
		return partly, off
	case c.Confidence < little:
		return unknown, off
	case c.Confidence > much:
		return worst, off
	}
	return wrong, off
}

func saysBefore(note string) bool { return strings.HasPrefix(note, "clients wait before the handlers") }

// misplaced says whether more than a tenth of the requests, or of the slow ones, that a group's clients saw are in other groups, or others
// in it. Some are cut by the recording's ends.
func (x truth) misplaced(s said) bool {
	limit, err := report.ParseSLO(x.SLO)
	if err != nil {
		return true
	}
	slow := late(s.asked, int64(limit.Limit))
	return 10*max(s.Requests-len(s.asked), len(s.asked)-s.Requests, s.Slow-slow, slow-s.Slow) > len(s.asked)
}

const (
	noPeer  = "no peer"
	noLimit = "no limit"
)

// off is what of the cause is not the truth.
func (x truth) off(s said, peers map[string]string) string {
	c := s.Cause
	switch {
	case s.Group[x.By] != x.Group:
		return fmt.Sprintf("group %q, not %q", s.Group[x.By], x.Group)
	case x.Path != "" && x.misplaced(s):
		return "requests of other groups"
	case !slices.Contains(x.Kinds, c.Kind):
		return "kind"
	case !x.named(c.Function, c.Chain):
		return "function"
	case x.Peer != "" && c.Peer == "":
		return noPeer
	case x.Limit > 0 && c.Limit == 0:
		return noLimit
	case x.Peer != "" && !strings.Contains(c.Peer, peers[x.Peer]):
		return fmt.Sprintf("peer, not %s", peers[x.Peer])
	case x.Limit > 0 && c.Limit != x.Limit:
		return fmt.Sprintf("limit %d, not %d", c.Limit, x.Limit)
	}
	return ""
}

// helpers are what the services share: naming one of them is right if the chain says for whom.
var helpers = []string{"main.ask", "main.burn"}

func (x truth) named(function string, chain []string) bool {
	if len(x.Functions) == 0 || slices.Contains(x.Functions, function) {
		return true
	}
	text := strings.Join(chain, "\n")
	return slices.Contains(helpers, function) && slices.ContainsFunc(x.Functions, func(f string) bool { return strings.Contains(text, f) })
}

// answer is one judged report.
type answer struct {
	shape      string
	how        string // with trace or without
	outcome    outcome
	off        string
	confidence float64 // 0: there is no cause
}

// bins are the confidences by which answers are counted; a bin goes to the next one's beginning.
var bins = []float64{0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01}

// tables are what came out: per shape, and per confidence.
func tables(all []answer) string {
	var b strings.Builder
	counts := map[[2]string]map[outcome]int{}
	for _, a := range all {
		key := [2]string{a.shape, a.how}
		if counts[key] == nil {
			counts[key] = map[outcome]int{}
		}
		counts[key][a.outcome]++
	}
	fmt.Fprintf(&b, "\n| %-20s | %-8s | right | partly | unknown | wrong | above 80 %% |\n| --- | --- | --- | --- | --- | --- | --- |\n",
		"shape", "")
	for _, key := range slices.SortedFunc(maps.Keys(counts), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	}) {
		c := counts[key]
		fmt.Fprintf(&b, "| %-20s | %-8s | %d | %d | %d | %d | %d |\n", key[0], key[1], c[right], c[partly], c[unknown], c[wrong], c[worst])
	}
	fmt.Fprintf(&b, "\n| confidence |")
	for _, way := range ways {
		fmt.Fprintf(&b, " %s |", way.name)
	}
	fmt.Fprintf(&b, "\n| ---%s |\n", strings.Repeat(" | ---", len(ways)))
	for i, from := range bins[:len(bins)-1] {
		fmt.Fprintf(&b, "| %.0f to %.0f %% |", 100*from, 100*min(1, bins[i+1]))
		for _, way := range ways {
			fmt.Fprintf(&b, " %s |", rightOf(all, way.name, from, bins[i+1]))
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// rightOf is how many answers of some confidence, made in one way, are right, at least partly.
func rightOf(all []answer, how string, from, to float64) string {
	n, ok := 0, 0
	for _, a := range all {
		if a.how == how && a.confidence > 0 && a.confidence >= from && a.confidence < to {
			n++
			if a.outcome == right || a.outcome == partly {
				ok++
			}
		}
	}
	return fmt.Sprintf("%d of %d", ok, n)
}
