package export

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

var more = flag.String("recordings", "", "files that are written in each format and read again, besides those of the tests: a pattern")

// recordings are profiles as they come: of any tool, with and without a timeline, with nothing in them, and hostile ones.
func recordings(t *testing.T) map[string]*profile.Profile {
	t.Helper()
	all := map[string]*profile.Profile{
		"inlined frames": small(), "one sample": hostile.New(1, "request"), "a timeline": hostile.New(500, "request"),
		"nothing": nothing(), "hostile names": hostileNames(), "heap": ofRuntime(t, heap), "cpu": ofRuntime(t, busy),
	}
	for name, p := range hostile.Others() {
		if named := func(t *profile.ValueType) bool { return t.Type != "" }; slices.ContainsFunc(p.SampleType, named) {
			p.SampleType[0].Type = cmp.Or(p.SampleType[0].Type, "no name") // speedscope calls it by the file
			all["of others: "+name] = p
		}
	}
	files, err := filepath.Glob(*more)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		most := samples.Budget{Most: 4 * samples.DefaultMost}
		if all[filepath.Base(path)], err = most.Read(bytes.NewReader(b), path); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// nothing is a recording of a process that did nothing.
func nothing() *profile.Profile {
	p := hostile.New(0, "k")
	p.Mapping, p.Location, p.Function = nil, nil, nil
	return p
}

// hostileNames has what a target may call its functions, files and labels.
func hostileNames() *profile.Profile {
	names := []string{"\xff\xfe", "a\x00b", "\"},{\"", "</script>", "a;b\nc\r", "\u2028\u202e", "\x1b[2J", "", " ",
		strings.Repeat("x", 1<<16), "[[]]", "9", "main.\U0010ffff"}
	p := hostile.New(len(names), "\xffkey=;\n")
	p.Location = nil
	for i, s := range p.Sample {
		f := &profile.Function{ID: uint64(i + 1), Name: names[i], Filename: names[len(names)-1-i], StartLine: int64(i - 1)}
		l := &profile.Location{ID: uint64(i + 1), Address: uint64(i), Line: []profile.Line{{Function: f}, {Function: f, Line: -5}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		s.Location, s.Label["\xffkey=;\n"] = slices.Clone(p.Location), []string{names[i], "\x80"}
		s.Label["go.state"] = []string{names[i]}
	}
	p.Function = p.Function[1:]
	return p
}

// ofRuntime is a profile that runtime/pprof writes.
func ofRuntime(t *testing.T, write func(*bytes.Buffer) error) *profile.Profile {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func heap(b *bytes.Buffer) error { return pprof.Lookup("heap").WriteTo(b, 0) }

var kept int

func busy(b *bytes.Buffer) error {
	if err := pprof.StartCPUProfile(b); err != nil {
		return err
	}
	for begin := time.Now(); time.Since(begin) < 100*time.Millisecond; {
		kept += len(fmt.Sprint(begin))
	}
	pprof.StopCPUProfile()
	return nil
}

// byStack adds a column up as pprof does, by the names of the frames, root first.
func byStack(p *profile.Profile, column int, labels []string) map[string]int64 {
	sums := make(map[string]int64)
	for _, s := range p.Sample {
		var names []string
		for _, key := range labels {
			names = append(names, labelFrame(s, key))
		}
		for i := len(s.Location) - 1; i >= 0; i-- {
			lines := s.Location[i].Line
			if len(lines) == 0 {
				names = append(names, samples.Unnamed(s.Location[i]))
			}
			for j := len(lines) - 1; j >= 0; j-- {
				names = append(names, frameName(lines[j].Function))
			}
		}
		if v := s.Value[column]; v != 0 {
			sums[strings.Join(names, "\n")] += v
		}
	}
	return sums
}

// sameSums fails the test unless a reader has found the same in a column of a file as there is in the profile.
func sameSums(t *testing.T, what string, got, want map[string]int64) {
	t.Helper()
	bad := 0
	for stack, v := range want {
		if got[stack] != v {
			if bad++; bad < 3 {
				t.Errorf("%s: %.300q: %d, want %d", what, stack, got[stack], v)
			}
		}
	}
	if bad > 0 || len(got) != len(want) {
		t.Errorf("%s: %d of %d stacks are other ones, %d were read", what, bad, len(want), len(got))
	}
}
