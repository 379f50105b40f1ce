package top

import (
	"cmp"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// nearly is how much less time than the best a label may cover and still be taken, if it has fewer
// values: an endpoint says more than the id of each request.
const nearly = 0.9

// mostKeys bounds the label keys that somebody may choose from.
const mostKeys = 256

// Keys returns the program's label keys, those that cover most wall time first, mostKeys at most. Of keys that cover
// nearly the same the one with fewer values comes first. Ours, which begin with "go.", are left out.
func Keys(p *profile.Profile) []string {
	type cover struct {
		key    string
		ns     int64
		values map[string]struct{}
	}
	c := columnsOf(p)
	byKey := make(map[string]*cover)
	for _, s := range p.Sample {
		for key, values := range s.Label {
			if strings.HasPrefix(key, "go.") {
				continue
			}
			if byKey[key] == nil {
				byKey[key] = &cover{key, 0, make(map[string]struct{})}
			}
			byKey[key].ns += c.wall(s)
			for _, v := range values {
				byKey[key].values[v] = struct{}{}
			}
		}
	}
	var all []*cover
	for _, x := range byKey {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *cover) int { return cmp.Or(cmp.Compare(b.ns, a.ns), strings.Compare(a.key, b.key)) })
	all = all[:min(len(all), mostKeys)]
	var keys []string
	for len(all) > 0 {
		best := 0
		for i, x := range all {
			if float64(x.ns) >= nearly*float64(all[0].ns) && len(x.values) < len(all[best].values) {
				best = i
			}
		}
		keys = append(keys, all[best].key)
		all = slices.Delete(all, best, best+1)
	}
	return keys
}

// Best is what Auto stands for: the first of Keys, or the function where there are no labels.
func Best(p *profile.Profile) By {
	if keys := Keys(p); len(keys) > 0 {
		return By{Label, keys[0]}
	}
	return By{Kind: Func}
}

// ours are the packages whose functions do something for the program: park it, lock, call the kernel,
// move memory. They are what goroutines wait in, and say nothing about who waits.
var ours = []string{"runtime", "sync", "syscall", "internal", "time", "reflect"}

// Function is what a sample is charged to in a table of functions: the innermost function outside
// the kernel and the packages runtime, sync, syscall, time, reflect and internal; where there is
// none (the garbage collector's workers), the outermost.
func Function(s *profile.Sample) string {
	name := ""
	for _, l := range s.Location {
		if l.Mapping != nil && strings.HasPrefix(l.Mapping.File, "[kernel") {
			continue
		}
		for _, ln := range l.Line {
			if ln.Function == nil {
				continue
			}
			if name = ln.Function.Name; !served(name) {
				return name
			}
		}
	}
	return name
}

// served says whether a function belongs to one of ours, or the folders below them.
func served(name string) bool {
	for _, p := range ours {
		if rest, ok := strings.CutPrefix(name, p); ok && rest != "" && (rest[0] == '.' || rest[0] == '/') {
			return true
		}
	}
	return false
}
