package fold

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

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
