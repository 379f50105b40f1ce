// Package relabel decides what of a profile's labels may leave the host. What is kept of labels in a database of profiles is a series
// for each value, and values are what requests say: ids of users, paths, addresses of clients.
package relabel

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// Rules say which labels leave, and as what. They are applied in the order of the fields. The zero value lets everything leave that
// does not make a timeline.
type Rules struct {
	Allow    []string // if there are any, no other keys leave
	Deny     []string // keys that do not leave
	Hash     []string // keys whose values leave as the first 16 digits of SHA-256 of Salt and value: equal ones stay equal
	Salt     []byte   // of hashes. Without one, who can guess a value can check the guess
	Truncate int      // bytes that a value may have; 0: any number
	// Values is how many values a key may have, 0: any number. Of a key with more, the heaviest leave and the others become
	// sample.OtherValue; if the heaviest have less than half of the key's weight, it tells single events apart, as ids of requests do,
	// and all of them do. Numbers that are too many are left out: none stands for the others.
	Values   int
	ValuesOf map[string]int // the same for a key
	Timeline bool           // what tells single goroutines, intervals and calls apart leaves, too, whatever number of values it has
}

// longestKey is how many bytes a key may have to leave; databases take no more.
const longestKey = 1 << 10

// ofTimeline are keys of mayfly's labels that tell single goroutines, intervals and calls apart, and objects in their memory.
var ofTimeline = []string{sample.KeyID, sample.KeyParent, sample.KeyWoken, sample.KeyWaitOn, sample.KeyEnd, sample.KeyCall,
	sample.KeyUnread}

// The default values of rules.
const (
	DefaultValues   = 100
	DefaultTruncate = 256
)

// Default are rules that are safe: no key has so many values that each is a series of its own for nothing.
func Default() Rules { return Rules{Truncate: DefaultTruncate, Values: DefaultValues} }

// Refusal is what became of values of a key that did not leave as they are.
type Refusal struct {
	Key    string `json:"key"`
	Values int    `json:"values"` // distinct ones
	Why    string `json:"why"`    // one of those below
}

// Why values did not leave as they are.
const (
	NotAllowed = "not allowed"
	Denied     = "denied"
	Moments    = "of a timeline"
	LongKey    = "under a key that is too long"
	Truncated  = "truncated"
	TooMany    = "too many values"
)

// String is a refusal as a sentence.
func (r Refusal) String() string {
	return fmt.Sprintf("label %.80q: %d values %s", r.Key, r.Values, r.what())
}

func (r Refusal) what() string {
	switch r.Why {
	case TooMany:
		return "left out or " + sample.OtherValue + ", as it has too many"
	case Moments:
		return "left out, which are of a timeline"
	}
	return r.Why
}

// Apply returns p with those labels that may leave, and what did not, by key. Samples that are equal then are added up, and those that
// weigh nothing are left out; so are comments with values of labels in them. Samples and labels of p are not changed; all else is
// shared with what is returned.
func (r *Rules) Apply(p *profile.Profile) (*profile.Profile, []Refusal) {
	x := &relabeling{rules: r, keys: make(map[key]*tally), column: weighed(p)}
	for _, s := range p.Sample {
		x.count(s)
	}
	for k, t := range x.keys {
		t.decide(r.most(k.name))
	}
	return &profile.Profile{
		SampleType: p.SampleType, DefaultSampleType: p.DefaultSampleType, PeriodType: p.PeriodType, Period: p.Period,
		Sample: x.samples(p.Sample), Mapping: p.Mapping, Location: p.Location, Function: p.Function,
		Comments: comments(p.Comments), DocURL: p.DocURL, DropFrames: p.DropFrames, KeepFrames: p.KeepFrames,
		TimeNanos: p.TimeNanos, DurationNanos: p.DurationNanos,
	}, x.refused()
}

// most is how many values a key may have.
func (r *Rules) most(key string) int {
	if slices.Contains(ofTimeline, key) {
		return 0
	}
	if n, ok := r.ValuesOf[key]; ok {
		return n
	}
	return r.Values
}

// refuses says why no value of a key leaves, "" if some do.
func (r *Rules) refuses(key string) string {
	switch {
	case len(key) > longestKey:
		return LongKey
	case len(r.Allow) > 0 && !slices.Contains(r.Allow, key):
		return NotAllowed
	case slices.Contains(r.Deny, key):
		return Denied
	case !r.Timeline && slices.Contains(ofTimeline, key):
		return Moments
	}
	return ""
}

// cut is a text of as many bytes as one may have, or less: no character is torn.
func (r *Rules) cut(text string) string {
	if !r.long(text) {
		return text
	}
	end := r.Truncate
	for end > 0 && r.Truncate-end < utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// long says whether a text has more bytes than one may have.
func (r *Rules) long(text string) bool { return r.Truncate > 0 && len(text) > r.Truncate }

// hash is what leaves for a text whose key is one of Hash.
func (r *Rules) hash(text string) string {
	h := sha256.New()
	h.Write(r.Salt)
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// withLabels are keys of comments that have values of labels in them.
var withLabels = []string{sample.CommentLifetimes, sample.CommentTraps}

// comments leaves out those that have values of labels in them.
func comments(list []string) (kept []string) {
	for _, c := range list {
		if key, _ := sample.Comment(c); !slices.Contains(withLabels, key) {
			kept = append(kept, c)
		}
	}
	return kept
}

// weighed is the column whose values say how much a label's value weighs: that of all time, that of CPU time, else the last one; -1 without
// any.
func weighed(p *profile.Profile) int {
	for _, name := range []string{sample.ColumnWall, sample.ColumnCPU} {
		if i := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == name }); i >= 0 {
			return i
		}
	}
	return len(p.SampleType) - 1
}
