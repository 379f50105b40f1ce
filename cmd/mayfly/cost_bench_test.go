//go:build linux && (amd64 || arm64)

package main

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// BenchmarkRecord runs the real command and reports what it needs itself: its CPU time as a share
// of one CPU, its largest resident size, and how long it takes from its start to the first sample.
// "server" keeps all CPUs busy for 10 s; "large" is a program of some 80 MB.
func BenchmarkRecord(b *testing.B) {
	target.Need(b, bpf.Probe())
	mayfly := filepath.Join(b.TempDir(), "mayfly")
	goBuild(b, ".", mayfly)
	for _, o := range []struct{ mode, rate string }{{"cpu", "999"}, {"cpu", "4999"}, {"wall", "999"}} {
		b.Run("server/"+o.mode+"/"+o.rate, func(b *testing.B) {
			x := target.Start(b, target.Compile(b, "server", target.Build{}))
			cost(b, x, mayfly, "-d", "10s", "--mode", o.mode, "-F", o.rate)
		})
	}
	b.Run("large/cpu/999", func(b *testing.B) {
		x := target.Start(b, largeProgram(b))
		cost(b, x, mayfly, "-d", "10s", "--mode", "cpu")
		reportSize(b, x.Exe)
	})
}

// cost records x and reports the means.
func cost(b *testing.B, x *target.Target, mayfly string, args ...string) {
	time.Sleep(time.Second) // the target grows warm
	var busy, rss, attach, samples, cpus, n float64
	for b.Loop() {
		out := filepath.Join(b.TempDir(), "mayfly.pb.gz")
		cmd := exec.Command(mayfly, append([]string{"record", "-q", "--json", "-o", out, "-p", strconv.Itoa(x.PID)}, args...)...)
		cmd.Stderr = os.Stderr
		text, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var r struct {
			profiler.Summary
			Duration int64 `json:"duration_ns"`
		}
		if err := json.Unmarshal(text, &r); err != nil {
			b.Fatal(err)
		}
		n++
		busy += 100 * float64(r.Self.CPUTime) / float64(r.Duration)
		rss += float64(r.Self.RSS) / 1e6
		attach += float64(r.Self.Attach) / 1e6
		samples += float64(r.CPU.Samples+r.CPU.Lost) / (float64(r.Duration) / 1e9)
		cpus += float64(r.CPU.Rusage) / float64(r.Duration)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(busy/n, "%CPU")
	b.ReportMetric(rss/n, "MB-resident")
	b.ReportMetric(attach/n, "ms-attach")
	b.ReportMetric(samples/n, "samples/s")
	b.ReportMetric(cpus/n, "target-CPUs")
}

// reportSize says how large a program is, and its table of functions and lines within.
func reportSize(b *testing.B, exe string) {
	f, err := elf.Open(exe)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	st, err := os.Stat(exe)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(st.Size())/1e6, "MB-target")
	if table := f.Section(".gopclntab"); table != nil {
		b.ReportMetric(float64(table.Size)/1e6, "MB-pclntab")
	}
}

func goBuild(b *testing.B, dir, exe string) {
	b.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-o", exe, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
}

// The large program: packages full of types and methods, as generators write them for the messages
// of an API.
const (
	largePackages = 44
	largeTypes    = 500 // in each package
)

var largePackage = template.Must(template.New("").Parse(`package {{.Name}}

import "fmt"

type set struct {
	names []string
	count int
}

func (s *set) add(name string)  { s.names = append(s.names, name); s.count++ }
func (s *set) at(i int) string { return s.names[i%len(s.names)] }
{{range .Types}}
type Request{{.}} struct {
	ID    int
	Name  string
	Parts [4]int
}

func (r *Request{{.}}) GetName() string {
	if r == nil || r.Name == "" {
		return "request-{{.}}"
	}
	return r.Name
}

func (r *Request{{.}}) Sum(n int) int {
	for i := range r.Parts {
		n += r.Parts[i] * {{.}}
	}
	if n > r.ID {
		return n - r.ID
	}
	return n
}

func (r *Request{{.}}) Fill(s *set) {
	s.add(r.GetName())
	if r.ID > {{.}} {
		s.add("large")
	}
	r.Parts[s.count%4]++
}

func (r *Request{{.}}) Check(limit int) error {
	if n := r.Sum(1); n > limit {
		return fmt.Errorf("%s: %d above the limit %d", r.GetName(), n, limit)
	}
	return nil
}

func Do{{.}}(n int) (int, error) {
	r, s := &Request{{.}}{ID: n}, &set{}
	for i := 0; i < n%7; i++ {
		r.Fill(s)
	}
	r.Fill(s)
	if err := r.Check(n + 1<<40); err != nil {
		return 0, err
	}
	return len(s.at(n)) + r.Sum({{.}}), nil
}
{{end}}
var All = []func(int) (int, error){ {{range .Types}}Do{{.}}, {{end}} }

// Types keeps the methods in the program.
var Types = []any{ {{range .Types}}&Request{{.}}{}, {{end}} }
`))

var largeMain = template.Must(template.New("").Parse(`package main

import (
	"fmt"
	"io"
	"os"
{{range .}}	"large/{{.}}"
{{end}})

var types [][]any

func main() {
	var all []func(int) (int, error)
{{range .}}	all = append(all, {{.}}.All...)
	types = append(types, {{.}}.Types)
{{end}}	for w := 0; w < 2; w++ {
		go func() {
			for i := w; ; i += 7 {
				if _, err := all[i%len(all)](i); err != nil {
					panic(err)
				}
			}
		}()
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}
`))

// largeProgram generates and builds it; the go command's cache keeps the packages.
func largeProgram(b *testing.B) string {
	dir := b.TempDir()
	var names []string
	var types []int
	for i := range largeTypes {
		types = append(types, i)
	}
	for i := range largePackages {
		name := fmt.Sprintf("p%02d", i)
		names = append(names, name)
		generate(b, filepath.Join(dir, name, "p.go"), largePackage, map[string]any{"Name": name, "Types": types})
	}
	generate(b, filepath.Join(dir, "main.go"), largeMain, names)
	mod := "module large\n\ngo " + strings.TrimPrefix(runtime.Version(), "go") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o666); err != nil {
		b.Fatal(err)
	}
	exe := filepath.Join(dir, "large")
	goBuild(b, dir, exe)
	return exe
}

func generate(b *testing.B, file string, t *template.Template, data any) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	if err := t.Execute(f, data); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}
