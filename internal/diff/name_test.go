package diff

import "testing"

func TestFuncName(t *testing.T) {
	for name, want := range map[string]string{
		"main.main":                              "main.main",
		"main.main.func1":                        "main.main.func",
		"main.main.func1.2":                      "main.main.func",
		"main.main.func12.gowrap3":               "main.main.func",
		"main.f.deferwrap1":                      "main.f.func",
		"main.same.1":                            "main.same.func", // Go 1.27: main.user.func1.same.1 before
		"main.same.1.deferwrap1":                 "main.same.func",
		"main.(*T).m.1":                          "main.(*T).m.func",
		"main.init.0.func1":                      "main.init.func",
		"main.Map[go.shape.int].1":               "main.Map[...].func",
		"main.f-range1":                          "main.f.func",
		"main.f.func1-range2":                    "main.f.func",
		"main.(*T).m-fm":                         "main.(*T).m",
		"main.(*T).m.func2":                      "main.(*T).m.func",
		"main.init.0":                            "main.init",
		"main.glob..func4":                       "main.glob.func",
		"main.Map[go.shape.int,go.shape.string]": "main.Map[...]",
		"main.Map[...]":                          "main.Map[...]",
		"main.Map[...].func1":                    "main.Map[...].func",
		"main.(*List[go.shape.struct { a/b.X int }]).Push":     "main.(*List[...]).Push",
		"main.F[map[string][]int]":                             "main.F[...]",
		"github.com/a/b/v2.F":                                  "github.com/a/b.F",
		"github.com/a/b/v2/c.F":                                "github.com/a/b/c.F",
		"github.com/a/b@v1.2.3/c.F":                            "github.com/a/b/c.F",
		"github.com/a/b/v2@v2.3.4/c.F":                         "github.com/a/b/c.F",
		"github.com/x/y/vendor/github.com/a/b.F":               "github.com/a/b.F",
		"vendor/golang.org/x/net/http2/hpack.(*Decoder).Write": "golang.org/x/net/http2/hpack.(*Decoder).Write",
		"gopkg.in/yaml%2ev3.Unmarshal":                         "gopkg.in/yaml.Unmarshal",
		"k8s.io/api/core/v1.F":                                 "k8s.io/api/core/v1.F",
		"runtime.mallocgc":                                     "runtime.mallocgc",
		"[lost]":                                               "[lost]",
		"do_syscall_64":                                        "do_syscall_64",
		"std::vector<int>::push_back(int)":                     "std::vector<int>::push_back(int)",
		"a[b":                                                  "a[b",
		"":                                                     "",
		"main.funcs":                                           "main.funcs",
		"main.f.func1x":                                        "main.f.func1x",
	} {
		if got := FuncName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
		if got := FuncName(want); got != want {
			t.Errorf("%q is no fixed point: %q", want, got)
		}
	}
}

func TestFileName(t *testing.T) {
	for _, tt := range []struct{ function, file, want string }{
		{"github.com/a/b.F", "/root/go/pkg/mod/github.com/a/b@v1.2.3/f.go", "github.com/a/b/f.go"},
		{"main.F", `C:\src\x\main.go`, "main/main.go"},
	} {
		if got := fileName(tt.function, tt.file); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.file, got, tt.want)
		}
	}
}

func TestCleanKeepsTerminalsSafe(t *testing.T) {
	if got := Clean("main.f\x1b[2J\n(é)"); got != "main.f\uFFFD[2J\uFFFD(é)" {
		t.Errorf("%q", got)
	}
}
