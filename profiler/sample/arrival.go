package sample

import (
	"strconv"
	"strings"
	"time"
)

// Arrival is when what a goroutine read from a socket had come in, the first of it that had not been read before, and when it was
// read, ns by one clock.
type Arrival struct{ Came, Read int64 }

// FormatArrivals is arrivals as a label's value: for each, with a space between, when it came after the one before, the first after 0, and
// for how long it was not read, "1795997574913504123+2300 8123344+120500".
func FormatArrivals(all []Arrival) string {
	var b []byte
	last := int64(0)
	for i, a := range all {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(strconv.AppendInt(b, a.Came-last, 10), '+')
		b = strconv.AppendInt(b, a.Read-a.Came, 10)
		last = a.Came
	}
	return string(b)
}

// ParseArrivals reads what FormatArrivals wrote, up to what is no arrival: one that came before time began, or was not read for
// hours.
func ParseArrivals(text string) (all []Arrival) {
	last := int64(0)
	for one := range strings.SplitSeq(text, " ") {
		after, unread, _ := strings.Cut(one, "+")
		came, err1 := strconv.ParseInt(after, 10, 64)
		ns, err2 := strconv.ParseInt(unread, 10, 64)
		last += came
		if err1 != nil || err2 != nil || last <= 0 || last > latest || ns <= 0 || ns > longestUnread {
			break
		}
		all = append(all, Arrival{last, last + ns})
	}
	return all
}

const (
	latest        = int64(1) << 62
	longestUnread = int64(2 * time.Hour)
)
