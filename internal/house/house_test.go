package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestImports holds the rules against the project itself, on both sides of the platform split.
func TestImports(t *testing.T) {
	for _, goos := range []string{"linux", "darwin"} {
		t.Run(goos, func(t *testing.T) {
			for _, bad := range violations(list(t, goos)) {
				t.Error(bad)
			}
		})
	}
}

// list asks the go command for the packages of the module.
func list(t *testing.T, goos string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Imports", module+"/...")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	pkgs, err := decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) == 0 {
		t.Fatal("go list names no package")
	}
	return pkgs
}

// decode reads the stream of JSON objects that go list prints.
func decode(r io.Reader) ([]pkg, error) {
	var pkgs []pkg
	for dec := json.NewDecoder(r); ; {
		var listed struct {
			ImportPath, Name string
			Imports          []string
		}
		if err := dec.Decode(&listed); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		p := pkg{Path: strings.TrimPrefix(listed.ImportPath, module+"/"), Name: listed.Name}
		for _, imp := range listed.Imports {
			if ours, ok := strings.CutPrefix(imp, module+"/"); ok {
				imp = "./" + ours
			}
			p.Imports = append(p.Imports, imp)
		}
		pkgs = append(pkgs, p)
	}
}

// TestViolations shows that each rule can be broken, so that TestImports can fail.
func TestViolations(t *testing.T) {
	lib := func(path string, imports ...string) pkg { return pkg{Path: path, Name: "x", Imports: imports} }
	sampler := lib("profiler/sample", "context")
	process := lib("internal/proc", "os")
	tests := []struct {
		name string
		pkgs []pkg
		want string // the only violation; "" for none
	}{
		{"the way it should be", []pkg{sampler, process,
			lib("internal/source/bpf", "./profiler/sample", "./internal/proc", "github.com/cilium/ebpf/link"),
			lib("symbolize", "./internal/proc", "./symbolize/internal/elfsym"),
			lib("symbolize/internal/elfsym", "debug/elf"),
			lib("profiler", "./internal/source/bpf", "./symbolize", "./export"),
			lib("export", "github.com/google/pprof/profile"),
			{Path: "cmd/mayfly", Name: "main", Imports: []string{"./profiler", "github.com/spf13/cobra", "flag"}}}, ""},
		{"vocabulary", []pkg{process, lib("profiler/sample", "./internal/proc")}, "profiler/sample reaches internal/proc"},
		{"source to source", []pkg{lib("internal/source/bpf"), lib("internal/source/goroutine", "./internal/source/bpf")},
			"internal/source/goroutine reaches internal/source/bpf"},
		{"what sources share", []pkg{lib("internal/source"), lib("internal/source/bpf", "./internal/source")}, ""},
		{"what sources share to a source", []pkg{lib("internal/source", "./internal/source/bpf"), lib("internal/source/bpf")},
			"internal/source reaches internal/source/bpf"},
		{"source through another", []pkg{lib("symbolize"), lib("internal/x", "./symbolize"), lib("internal/baseline", "./internal/x")},
			"internal/baseline reaches internal/x\ninternal/baseline reaches symbolize"},
		{"symbols to samples", []pkg{sampler, lib("symbolize", "./profiler/sample")}, "symbolize reaches profiler/sample"},
		{"export to a process", []pkg{process, lib("export", "./internal/proc")}, "export reaches internal/proc"},
		{"report below", []pkg{process, lib("internal/report/html", "./internal/proc")}, "internal/report/html reaches internal/proc"},
		{"blame to report", []pkg{lib("internal/report", "./internal/blame"), lib("internal/blame", "./internal/timeline", "./internal/report"),
			lib("internal/timeline")},
			"internal/blame reaches internal/report"},
		{"timeline to blame", []pkg{lib("internal/blame"), lib("internal/timeline", "./internal/blame")},
			"internal/timeline reaches internal/blame"},
		{"demo to the profiler", []pkg{lib("profiler"), lib("internal/demo", "./profiler")}, "internal/demo reaches profiler"},
		{"importing a command", []pkg{lib("cmd/mayfly"), lib("export", "./cmd/mayfly")}, "export reaches cmd/mayfly"},
		{"ebpf elsewhere", []pkg{lib("profiler", "github.com/cilium/ebpf/btf")}, "profiler imports github.com/cilium/ebpf/btf"},
		{"cobra elsewhere", []pkg{lib("export", "github.com/spf13/cobra")}, "export imports github.com/spf13/cobra"},
		{"a library that logs", []pkg{lib("export", "log")}, "export imports log"},
		{"test code in the product", []pkg{lib("internal/target", "testing"), lib("export", "./internal/target")},
			"export imports internal/target"},
		{"a folder with a like name", []pkg{process, lib("exporter", "./internal/proc")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, v := range violations(tt.pkgs) {
				got = append(got, v[:strings.Index(v, ": ")])
			}
			if strings.Join(got, "\n") != tt.want {
				t.Errorf("violations = %q, want %q", got, tt.want)
			}
		})
	}
}
