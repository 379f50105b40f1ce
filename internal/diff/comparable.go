package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// columns are the columns of time that all profiles have, in the order of the first.
func (c *comparison) columns() (common []string) {
	for _, name := range c.sides[older][0].Columns {
		asked := len(c.o.Columns) == 0 || slices.Contains(c.o.Columns, name)
		if asked && c.all(func(p *Profile) bool { return p.column(name) != nil }) {
			common = append(common, name)
		}
	}
	return common
}

// incomparable says why a comparison would mean nothing.
func (c *comparison) incomparable(columns []string) (why []string) {
	if len(columns) == 0 {
		return []string{c.noColumn()}
	}
	for _, profiles := range c.sides {
		for _, p := range profiles {
			if !slices.ContainsFunc(p.cols, func(s *sums) bool { return s.total > 0 }) {
				why = append(why, p.Name+" has no samples")
			}
		}
	}
	if len(why) > 0 {
		return why
	}
	for _, f := range surroundings {
		if a, b := c.differ(f.get); a != b && (f.level == never || f.level == otherHost && !c.o.AnyHost) {
			why = append(why, fmt.Sprintf("recorded %s: %s", f.what, apart(a, b)))
			c.out.OtherHost = f.level == otherHost && (c.out.OtherHost || len(why) == 1)
		}
	}
	if c.o.By.frames() && c.overlap() < leastOverlap {
		c.out.OtherHost = false
		why = append(why, "different programs: they have almost no function in common")
	}
	if c.o.Per != "" && !c.all(func(p *Profile) bool { return p.requests > 0 }) {
		why = append(why, fmt.Sprintf("no label %q in some profile: requests cannot be counted", c.o.Per))
	}
	return why
}

func (c *comparison) noColumn() string {
	a, b := c.sides[older][0], c.sides[newer][0]
	if len(c.o.Columns) > 0 {
		return fmt.Sprintf("no column %s on both sides: %s; %s", strings.Join(c.o.Columns, ", "), a.describe(), b.describe())
	}
	return fmt.Sprintf("no column in common: %s; %s", a.describe(), b.describe())
}

// A difference of what surrounds a program weighs as much as it can make the same code faster.
const (
	remark    = iota // it is said
	rebuilt          // the compiler moves time between functions: those are shown, and only totals are judged
	otherHost        // the profiles cannot be compared without AnyHost
	never            // they cannot be compared
)

// surroundings are what profiles say of where they were taken. Code is chosen by the CPU's features, so with others other code
// ran; GODEBUG can switch them off, too. docs/diff.md has this list for readers.
var surroundings = []struct {
	what  string
	get   func(facts) string
	level int
}{
	{"on different kernels, so on different hosts", func(f facts) string { return f.kernel }, otherHost},
	{"on different CPUs", func(f facts) string { return f.model }, otherHost},
	{"on CPUs with different features", func(f facts) string { return f.features }, otherHost},
	{"with CPU features switched off by GODEBUG on one side", func(f facts) string { return f.godebug(true) }, otherHost},
	{"by different CPU engines", func(f facts) string { return f.engine }, never},
	{"with -race, -asan or -msan on one side", func(f facts) string { return f.built("-race", "-asan", "-msan") }, never},
	{"of programs with other names, so perhaps of different ones", func(f facts) string { return f.main }, remark},
	{"of builds with another -pgo or -gcflags, so functions are shown and only totals are judged",
		func(f facts) string { return f.built("-pgo", "-gcflags") }, rebuilt},
	{"of builds with other settings", func(f facts) string {
		return f.built("-tags", "CGO_ENABLED", "GO386", "GOAMD64", "GOARM", "GOARM64",
			"GOEXPERIMENT")
	}, remark},
	{"with another GODEBUG", func(f facts) string { return f.godebug(false) }, remark},
	{"with another GOGC", func(f facts) string { return f.setting("GOGC") }, remark},
	{"with another GOMEMLIMIT", func(f facts) string { return f.setting("GOMEMLIMIT") }, remark},
	{"with another GOMAXPROCS", func(f facts) string { return f.procs }, remark},
	{"on another number of CPUs", func(f facts) string { return f.cpus }, remark},
	{"with another CPU limit of the control group", func(f facts) string { return strings.TrimSuffix(f.quota, ".0000") }, remark},
	{"with another governor of the CPU's frequency", func(f facts) string { return f.governor }, remark},
}

// unset is the value of a setting that a profile knows not to be set.
const unset = "none"

// setting is a variable of the program's environment, "" where the profile does not say.
func (f facts) setting(key string) string {
	if f.model == "" { // recorded before they were kept
		return ""
	}
	return cmp.Or(value(f.settings, key), unset)
}

// value is that of a key in a list of settings, "" if it has none.
func value(settings, key string) string {
	for s := range strings.SplitSeq(settings, "; ") {
		if v, ok := strings.CutPrefix(s, key+"="); ok {
			return v
		}
	}
	return ""
}

// built are settings of the program's build, "" where the profile does not say.
func (f facts) built(keys ...string) string {
	if f.build == "" {
		return ""
	}
	var set []string
	for _, key := range keys {
		if v := value(f.build, key); v != "" {
			set = append(set, key+"="+v)
		}
	}
	return cmp.Or(strings.Join(set, " "), unset)
}

// godebug are the parts of GODEBUG that are about the CPU, or the others.
func (f facts) godebug(cpu bool) string {
	all := f.setting("GODEBUG")
	if all == "" || all == unset {
		return all
	}
	parts := slices.DeleteFunc(strings.Split(all, ","), func(s string) bool { return strings.HasPrefix(s, "cpu.") != cpu })
	slices.Sort(parts)
	return cmp.Or(strings.Join(parts, ","), unset)
}

// apart names two values. Of two lists of words only what one has and the other has not.
func apart(a, b string) string {
	one, two := strings.Fields(a), strings.Fields(b)
	if len(one) < 8 || len(two) < 8 {
		return a + " and " + b
	}
	less := func(x, y []string) string {
		rest := slices.DeleteFunc(slices.Clone(x), func(w string) bool { return slices.Contains(y, w) })
		return cmp.Or(strings.Join(rest, " "), unset)
	}
	return less(one, two) + " and " + less(two, one) + " more than the other"
}

// differ returns two different values of a fact that profiles know, or twice "".
func (c *comparison) differ(get func(facts) string) (a, b string) {
	for _, profiles := range c.sides {
		for _, p := range profiles {
			switch v := get(p.facts); {
			case v == "" || v == a:
			case a == "":
				a = v
			default:
				return a, v
			}
		}
	}
	return "", ""
}

// differences says what is different and does not keep the sides from being compared.
func (c *comparison) differences() {
	for _, f := range surroundings {
		if a, b := c.differ(f.get); a != b {
			c.out.rebuilt = c.out.rebuilt || f.level == rebuilt
			c.out.Differences = append(c.out.Differences, fmt.Sprintf("recorded %s: %s", f.what, apart(a, b)))
		}
	}
}
