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
		"finish_task_switch.isra.0":                            "finish_task_switch",
		"try_charge.part.0.isra.12":                            "try_charge",
		"handle_mm_fault.cold":                                 "handle_mm_fault",
		"main.part.1":                                          "main.part.func",
		"github.com/a/b.part.1":                                "github.com/a/b.part.func",
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

// Between releases a closure is the same whatever it was inlined into, and the runtime's assembly is the runtime's. The names
// are those of chi v5.5.0 by Go 1.26.11 and 1.27.4.
func TestAcross(t *testing.T) {
	const chi = "github.com/go-chi/chi/v5."
	across := func(name string) string { return folding{true, map[string]bool{innermost(name): true}}.row(name) }
	for _, tt := range []struct{ old, new string }{
		{chi + "(*Mux).routeHTTP.(*Mux).MethodNotAllowedHandler.methodNotAllowedHandler.func1", chi + "methodNotAllowedHandler.func1"},
		{chi + "(*Mux).Route.NewRouter.NewMux.func1", chi + "NewMux.func1"},
		{chi + "TestMountingSelf.func1.NewRouter.NewMux.3", chi + "NewMux.func1"},
		{"net/http.(*conn).serve.(*response).ReadFrom.func3", "net/http.(*response).ReadFrom.func1"},
		{"main.main.func1", "main.main.func2"},
		{"main.(*T).m", "main.(*T).m"},
		{"aeshashbody", "runtime.aeshashbody"},
	} {
		if a, b := across(FuncName(tt.old)), across(FuncName(tt.new)); a != b {
			t.Errorf("%s is %s, and %s is %s", tt.old, a, tt.new, b)
		}
	}
	for _, name := range []string{"main.T.m", "_raw_spin_unlock_irqrestore", "main.f.func", "[unknown]", "malloc"} {
		if got := across(name); got != name {
			t.Errorf("%s became %s", name, got)
		}
	}
}
