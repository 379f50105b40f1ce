package diff

import (
	"path"
	"strings"
	"unicode"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// A function has other names in other builds: the compiler numbers closures in the order in which
// it meets them, spells out the shape of type arguments or not, and wraps what go and defer call;
// a module's path has its major version in it and perhaps a vendor folder before it. A name that a
// neighbour's change can change would make one function two rows, one gone and one new. So rows
// have the name without all that, and the closures of a function are one row.

// FuncName returns the name of a function that is the same in other builds.
func FuncName(name string) string {
	name = dropTypeArgs(name)
	if c, ok := splitByCompiler(name); ok {
		return c
	}
	dir, base := path.Split(name)
	pkg, symbols, ok := strings.Cut(base, ".")
	if strings.Contains(dir, "(") || !ok && dir == "" {
		return name // C, the kernel, or a frame of ours such as [lost]
	}
	return packagePath(dir+pkg) + dotted(symbols, ok)
}

// ofCompiler is what GCC and Clang put behind the name of a C function of which they made several, with a number behind it.
var ofCompiler = []string{".isra.", ".part.", ".constprop.", ".lto_priv.", ".llvm.", ".cold"}

// splitByCompiler is the name of such a function without that: which of them there are is another one in each build. Names of Go
// have a dot or a slash before, but for those in package main and in packages of the standard library, which have none of the kind.
func splitByCompiler(name string) (c string, ok bool) {
	at := len(name)
	for _, part := range ofCompiler {
		if i := strings.Index(name[:at], part); i > 0 {
			at = i
		}
	}
	c = name[:at]
	return c, at < len(name) && c != "main" && !strings.ContainsAny(c, "./([ ")
}

func dotted(symbols string, ok bool) string {
	if !ok {
		return ""
	}
	return "." + dropClosures(symbols)
}

// dropTypeArgs turns F[go.shape.int_0] and F[int,map[string]int] into F[...].
func dropTypeArgs(name string) string {
	var b strings.Builder
	depth := 0
	for i, r := range name {
		switch {
		case r == '[' && (depth > 0 || i > 0):
			if depth++; depth == 1 {
				b.WriteString("[...]")
			}
		case r == ']' && depth > 0:
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	if depth > 0 {
		return name // no Go name
	}
	return b.String()
}

// packagePath drops a vendor folder, versions, and the escapes of the linker.
func packagePath(p string) string {
	if i := strings.LastIndex(p, "/vendor/"); i >= 0 {
		p = p[i+len("/vendor/"):]
	}
	p = strings.TrimPrefix(p, "vendor/")
	p = strings.ReplaceAll(p, "%2e", ".")
	elems := strings.Split(p, "/")
	kept := elems[:0]
	for i, e := range elems {
		e, _, _ = strings.Cut(e, "@")
		if i > 0 && majorVersion(e) {
			continue
		}
		kept = append(kept, e)
	}
	if last := len(kept) - 1; len(kept) > 1 && kept[0] == "gopkg.in" {
		kept[last], _, _ = strings.Cut(kept[last], ".v")
	}
	return strings.Join(kept, "/")
}

// majorVersion says whether a path element is v2, v3 and so on.
func majorVersion(e string) bool {
	return len(e) > 1 && e[0] == 'v' && number(e[1:]) && e != "v0" && e != "v1"
}

func number(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// wrappers are what the compiler calls functions that have no name in the source: closures, those
// of go and defer statements, the bodies of range-over-func loops.
var wrappers = []string{"func", "gowrap", "deferwrap"}

// dropClosures turns F.func1, F.func2.1, F.gowrap3 and F-range1 into F.func, and T.M-fm into T.M. F.1 is
// what Go 1.27 calls the closure of F where F was inlined into a closure; init.1 is the second init.
func dropClosures(symbols string) string {
	symbols = strings.TrimSuffix(symbols, "-fm")
	parts := splitDots(symbols)
	kept, closure := parts[:0], false
	for i, part := range parts {
		body, n, isRange := strings.Cut(part, "-range")
		switch {
		case i > 0 && wrapper(part):
			closure = true
			continue
		case i > 0 && number(part):
			closure = closure || parts[i-1] != "init" || i > 1
			continue
		case part == "": // glob..func1
			continue
		case isRange && number(n):
			part, closure = body, true
			if wrapper(part) {
				continue
			}
		}
		kept = append(kept, part)
	}
	name := strings.Join(kept, ".")
	if closure {
		name += ".func"
	}
	return name
}

func wrapper(part string) bool {
	for _, w := range wrappers {
		if n, ok := strings.CutPrefix(part, w); ok && number(n) {
			return true
		}
	}
	return false
}

// splitDots splits at dots outside of parentheses and brackets: (*T).M.func1 and F[...].func1.
func splitDots(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case '.':
			if depth == 0 {
				parts = append(parts, s[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, s[start:])
}

// Clean replaces what does not print: names come from profiles, and profiles from anywhere, and end on
// somebody's terminal.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}

// packageOf is the import path in a name that FuncName made.
func packageOf(name string) string { return names.Package(name) }

// ofGo says whether a function belongs to the Go release rather than to the program.
func ofGo(name string) bool { return names.Internal(packageOf(name)) }

// moved says whether a function is in another place, or has another name, in another release.
func moved(name string) bool {
	p := packageOf(name)
	return names.Moved(p) || names.RuntimeAssembly(name) || names.MovedFunction(p, strings.TrimPrefix(name, p+"."))
}

// innermost is a closure by the function that it stands in alone. Up to Go 1.26 one that came by inlining is called by all functions that
// it was inlined into, (*Mux).routeHTTP.(*Mux).MethodNotAllowedHandler.methodNotAllowedHandler.func1, and is there once for each; since
// 1.27 it is methodNotAllowedHandler.func1. So a closure of a method of a type that is no pointer has no type there.
func innermost(name string) string {
	if !strings.HasSuffix(name, ".func") {
		return name
	}
	dir, base := path.Split(name)
	parts := splitDots(base)
	n := len(parts)
	if n < 4 || parts[n-1] != "func" { // package, function, func
		return name
	}
	kept := parts[n-2:]
	if strings.HasPrefix(parts[n-3], "(*") {
		kept = parts[n-3:]
	}
	return dir + strings.Join(append([]string{parts[0]}, kept...), ".")
}

// goRow is the row of all functions that moved when the sides were built by different releases.
const goRow = "[runtime]"

// fileName drops from a path what differs between machines and releases of a module: all up to the
// package's folder, and versions.
func fileName(function, file string) string {
	return path.Join(packageOf(function), path.Base(strings.ReplaceAll(file, "\\", "/")))
}
