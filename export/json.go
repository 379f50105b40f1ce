package export

import (
	"bufio"
	"encoding/json"
	"io"
	"slices"
	"strconv"
)

// jsonWriter writes JSON piece by piece: as one value in memory it would be many times as large as the profile. An error
// of the writer below it is told by flush.
type jsonWriter struct {
	*bufio.Writer
	number []byte
}

func newJSONWriter(w io.Writer) *jsonWriter {
	return &jsonWriter{Writer: bufio.NewWriterSize(w, 64<<10)}
}

func (w *jsonWriter) text(s string) {
	b, _ := json.Marshal(s) // no string is refused
	w.Write(b)
}

func (w *jsonWriter) int(n int64) {
	w.number = strconv.AppendInt(w.number[:0], n, 10)
	w.Write(w.number)
}

// list writes [ELEMENT,ELEMENT...].
func (w *jsonWriter) list(n int, element func(i int)) {
	w.WriteByte('[')
	for i := range n {
		if i > 0 {
			w.WriteByte(',')
		}
		element(i)
	}
	w.WriteByte(']')
}

// decimal writes a number with so many of its digits behind the point, or with zeros for digits below zero: nanoseconds and
// seconds as milliseconds, and no digit is lost.
func (w *jsonWriter) decimal(n int64, digits int) {
	b := strconv.AppendInt(w.number[:0], n, 10)
	sign := 0
	if n < 0 {
		sign = 1
	}
	for len(b)-sign <= digits {
		b = slices.Insert(b, sign, '0')
	}
	if digits > 0 {
		b = slices.Insert(b, len(b)-digits, '.')
	}
	for ; digits < 0 && n != 0; digits++ {
		b = append(b, '0')
	}
	w.number = b
	w.Write(b)
}
