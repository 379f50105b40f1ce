package summary

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// shown are the keys of comments that go tool pprof prints above its tables.
var shown = []string{"engine.cpu", "engine.wall", "denied", "end"}

// Comments returns the summary as the profile's comments: key=value, one a line. All but what a reader of the profile has to know
// are marked, see sample.CommentMark.
func (s *Summary) Comments() []string { return appendComments(nil, reflect.ValueOf(*s)) }

func appendComments(lines []string, group reflect.Value) []string {
	for i := range group.NumField() {
		field := group.Type().Field(i)
		if field.Anonymous {
			lines = appendComments(lines, group.Field(i))
			continue
		}
		key, mark := field.Tag.Get("json"), sample.CommentMark
		if slices.Contains(shown, key) {
			mark = ""
		}
		if val := format(group.Field(i).Interface()); val != "" {
			lines = append(lines, strings.ToValidUTF8(mark+sample.CommentPrefix+key+"="+val, "\uFFFD"))
		}
	}
	return lines
}

func format(v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', 4, 64)
	case []string:
		return strings.Join(v, "; ")
	case []sample.Life: // below this long, seen (of them at 100 Hz)
		return join(v, ", ")
	case []sample.Lifetimes:
		return join(v, "; ")
	case []sample.LabelTrap:
		return join(v, "; ")
	case []sample.ExactCPU:
		return join(v, "; ")
	case []sample.AcceptQueue:
		return join(v, "; ")
	case []sample.EventCount:
		return join(v, "; ")
	}
	return fmt.Sprint(v)
}

func join[T fmt.Stringer](list []T, between string) string {
	texts := make([]string, len(list))
	for i, x := range list {
		texts[i] = x.String()
	}
	return strings.Join(texts, between)
}
