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

// maxRenamed bounds the renamed keys that are told.
const maxRenamed = 8

func (w *words) rename(key string) {
	if len(w.renamed) < maxRenamed && len(key) <= shortWord && !slices.Contains(w.renamed, key) {
		w.renamed = append(w.renamed, key)
	}
}

// appendKey appends the numbers of the texts of labels to a sample's key, and says whether one was cut.
func (w *words) appendKey(key []byte, labels []sample.Label) (_ []byte, cut bool) {
	key = binary.LittleEndian.AppendUint16(key, uint16(len(labels)))
	for _, l := range labels {
		for _, text := range [...]string{l.Key, l.Value} {
			id, short := w.id(text)
			key = binary.LittleEndian.AppendUint32(key, id)
			cut = cut || short
		}
	}
	return key, cut
}

// labels are those of a sample as the profile has them: under keys that are the program's to use, with the texts that are kept.
func (w *words) labels(of []sample.Label) []sample.Label {
	labels := make([]sample.Label, len(of))
	for i, l := range of {
		key := w.text(l.Key)
		labels[i] = sample.Label{Key: userKey(key), Value: w.text(l.Value)}
		if labels[i].Key != key {
			w.rename(labels[i].Key)
		}
	}
	return labels
}

func (w *words) text(text string) string {
	id, _ := w.id(text)
	return w.texts[id]
}
