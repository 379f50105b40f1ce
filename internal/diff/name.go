package diff

import (
	"path"
	"strings"
	"unicode"
)

// A function has other names in other builds: the compiler numbers closures in the order in which
// it meets them, spells out the shape of type arguments or not, and wraps what go and defer call;
// a module's path has its major version in it and perhaps a vendor folder before it. A name that a
// neighbour's change can change would make one function two rows, one gone and one new. So rows
// have the name without all that, and the closures of a function are one row.

// FuncName returns the name of a function that is the same in other builds.
func FuncName(name string) string {
	name = dropTypeArgs(name)
	dir, base := path.Split(name)
	pkg, symbols, ok := strings.Cut(base, ".")
	if strings.Contains(dir, "(") || !ok && dir == "" {
		return name // C, the kernel, or a frame of ours such as [lost]
	}
	return packagePath(dir+pkg) + dotted(symbols, ok)
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

// dropClosures turns F.func1, F.func2.1, F.gowrap3 and F-range1 into F.func, and T.M-fm into T.M.
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
		case i > 0 && number(part), part == "": // init.0, glob..func1
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
func packageOf(name string) string {
	dir, base := path.Split(name)
	pkg, _, _ := strings.Cut(base, ".")
	return dir + pkg
}

// ofGo says whether a function belongs to the Go release rather than to the program: the runtime
// and what lies below the standard library's surface, which moves between releases.
func ofGo(name string) bool {
	p := packageOf(name)
	return p == "runtime" || p == "sync" || strings.HasPrefix(p, "runtime/internal/") || strings.HasPrefix(p, "internal/")
}

// moved says whether a function is in another place in another release: those ofGo, and packages of which large
// parts went below the surface: strconv (Go 1.26) and what crypto computes (1.24, crypto/internal/fips140).
func moved(name string) bool {
	p := packageOf(name)
	crypto := strings.HasPrefix(p, "crypto/") && p != "crypto/tls" && p != "crypto/x509"
	return ofGo(name) || p == "strconv" || crypto
}

// goRow is the row of all functions that moved when the sides were built by different releases.
const goRow = "[runtime]"

// fileName drops from a path what differs between machines and releases of a module: all up to the
// package's folder, and versions.
func fileName(function, file string) string {
	return path.Join(packageOf(function), path.Base(strings.ReplaceAll(file, "\\", "/")))
}
