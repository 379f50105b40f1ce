package fold

import (
	"strings"
	"unicode/utf8"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A profile's labels are the program's and ours in one map, so keys that are ours are not the program's to use: its
// own become user.go.state and the like. And a string table is UTF-8 (proto3), whatever bytes a program has in
// labels, paths and names: strict readers refuse the whole file otherwise.

// userKey is the key under which a program's label is in the profile, another one for each.
func userKey(key string) string {
	bare := key
	for strings.HasPrefix(bare, sample.UserPrefix) {
		bare = bare[len(sample.UserPrefix):]
	}
	if strings.HasPrefix(bare, sample.OwnPrefix) || bare == sample.KeyEnd {
		return sample.UserPrefix + key
	}
	return key
}

// Disown renames the labels of a profile that the program's own runtime has written.
func Disown(p *profile.Profile) {
	for _, s := range p.Sample {
		labels := make(map[string][]string, len(s.Label))
		for key, values := range s.Label {
			labels[userKey(key)] = values
		}
		s.Label = labels
	}
}

// Tidy makes UTF-8 of all strings of a profile and returns how many were not. The replacement is U+FFFD.
func Tidy(p *profile.Profile) int64 {
	t := tidier{seen: make(map[string]string)}
	for _, m := range p.Mapping {
		t.texts(&m.File, &m.BuildID)
	}
	for _, f := range p.Function {
		t.texts(&f.Name, &f.SystemName, &f.Filename)
	}
	for _, s := range p.Sample {
		t.labels(s.Label)
	}
	for i := range p.Comments {
		t.texts(&p.Comments[i])
	}
	return int64(len(t.seen))
}

type tidier struct {
	seen map[string]string // what was no UTF-8, and what has become of it
}

func (t *tidier) texts(all ...*string) {
	for _, s := range all {
		*s = t.text(*s)
	}
}

func (t *tidier) text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	clean, ok := t.seen[s]
	if !ok {
		clean = strings.ToValidUTF8(s, "\uFFFD")
		t.seen[s] = clean
	}
	return clean
}

func (t *tidier) labels(labels map[string][]string) {
	for key, values := range labels {
		for i := range values {
			values[i] = t.text(values[i])
		}
		if clean := t.text(key); clean != key {
			delete(labels, key)
			for labels[clean] != nil {
				clean += "\uFFFD" // the key of another label, too
			}
			labels[clean] = values
		}
	}
}
