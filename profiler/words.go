package profiler

import (
	"encoding/binary"
	"slices"
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

// disown renames the labels of a profile that the program's own runtime has written.
func disown(p *profile.Profile) {
	for _, s := range p.Sample {
		labels := make(map[string][]string, len(s.Label))
		for key, values := range s.Label {
			labels[userKey(key)] = values
		}
		s.Label = labels
	}
}

const (
	maxWords  = 64 << 20 // bytes of label texts in a profile; from there on
	shortWord = 256      // what is longer is cut to this
)

// words are the labels' keys and values, equal ones once: a text of 64 KiB that is in each of 20,000 samples
// takes the memory of one.
type words struct {
	ids     map[string]uint32
	texts   []string
	bytes   int
	renamed []string // keys that are others in the profile, some of them
}

// id returns the number of a text, and whether it was cut.
func (w *words) id(text string) (id uint32, cut bool) {
	if id, ok := w.ids[text]; ok {
		return id, false
	}
	if len(text) > shortWord && w.bytes+len(text) > maxWords {
		id, _ = w.id(cutText(text, shortWord))
		return id, true
	}
	if w.ids == nil {
		w.ids = make(map[string]uint32)
	}
	id = uint32(len(w.texts))
	w.texts = append(w.texts, text)
	w.bytes += len(text)
	w.ids[text] = id
	return id, false
}

// cutText returns at most n bytes of text, cut between two characters.
func cutText(text string, n int) string {
	text = text[:n]
	for k := 1; k <= min(utf8.UTFMax, n); k++ {
		if r, _ := utf8.DecodeLastRuneInString(text[:n-k+1]); r != utf8.RuneError {
			return text[:n-k+1]
		}
	}
	return text
}

// appendLabels appends the numbers of a sample's label texts to the key.
func (b *Builder) appendLabels(key []byte, s *sample.Sample) []byte {
	cut := s.LabelsTruncated
	key = binary.LittleEndian.AppendUint16(key, uint16(len(s.Labels)))
	for _, l := range s.Labels {
		for _, text := range [...]string{l.Key, l.Value} {
			id, short := b.words.id(text)
			key = binary.LittleEndian.AppendUint32(key, id)
			cut = cut || short
		}
	}
	if cut {
		b.tally.LabelsCut++
	}
	return key
}

// labels are those of the sample whose key was made last, with the texts that the builder keeps.
func (b *Builder) labels(s *sample.Sample) []sample.Label {
	labels := make([]sample.Label, len(s.Labels))
	for i, l := range s.Labels {
		key := b.word(l.Key)
		labels[i] = sample.Label{Key: userKey(key), Value: b.word(l.Value)}
		if labels[i].Key != key {
			b.words.rename(labels[i].Key)
		}
	}
	return labels
}

// maxRenamed bounds the renamed keys that are told.
const maxRenamed = 8

func (w *words) rename(key string) {
	if len(w.renamed) < maxRenamed && len(key) <= shortWord && !slices.Contains(w.renamed, key) {
		w.renamed = append(w.renamed, key)
	}
}

func (b *Builder) word(text string) string {
	id, _ := b.words.id(text)
	return b.words.texts[id]
}

// tidy makes UTF-8 of all strings of a profile and returns how many were not. The replacement is U+FFFD.
func tidy(p *profile.Profile) int64 {
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
