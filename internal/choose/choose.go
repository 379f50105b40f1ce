// Package choose says which processes are meant: the grammar of mayfly agent --select.
//
//	EXPR    = TERM {"," TERM}          all of them hold
//	TERM    = KEY ("=" | "!=") PATTERN
//	PATTERN = text in which * stands for any text, also for none
//
// A key that a process has nothing for, such as the container of one that is in none, equals no pattern.
package choose

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Keys are what can be asked about a process, and what that is. A key with a colon behind it takes a name: env:REGION.
var Keys = map[string]string{
	"name":      "file name of what it was started as",
	"exe":       "path of its executable",
	"main":      "import path of its main package",
	"cmdline":   "its arguments, with a space between them",
	"user":      "user that it runs as, by name or number",
	"container": "id of its container, by the name of its control group",
	"pod":       "uid of its Kubernetes pod, by the name of its control group",
	"namespace": "Kubernetes namespace, by the service account in its file system",
	"cgroup":    "path of its control group",
	"env:":      "variable of its environment, as it was started with",
	"resource:": "attribute of OTEL_RESOURCE_ATTRIBUTES in its environment; service.name is OTEL_SERVICE_NAME, too",
}

// Bounds of an expression: matching takes time in proportion to the text and the pattern.
const (
	maxTerms   = 32
	maxPattern = 1 << 10 // bytes
)

// Expr is a conjunction of terms. The zero value holds of every process.
type Expr []term

type term struct {
	key, name string // name: behind the colon
	not       bool
	pattern   string
}

// Parse reads an expression.
func Parse(text string) (Expr, error) {
	var e Expr
	for part := range strings.SplitSeq(text, ",") {
		t, err := parseTerm(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		if e = append(e, t); len(e) > maxTerms {
			return nil, fmt.Errorf("%.40q: more than %d terms", text, maxTerms)
		}
	}
	return e, nil
}

func parseTerm(text string) (t term, err error) {
	key, pattern, ok := strings.Cut(text, "=")
	if !ok {
		return t, fmt.Errorf("%q is no KEY=PATTERN", text)
	}
	if key, t.not = strings.CutSuffix(key, "!"); len(pattern) > maxPattern {
		return t, fmt.Errorf("the pattern of %s is longer than %d bytes", key, maxPattern)
	}
	t.pattern = pattern
	if at := strings.IndexByte(key, ':'); at >= 0 {
		key, t.name = key[:at+1], key[at+1:]
	}
	if t.key = key; Keys[key] == "" {
		return t, fmt.Errorf("key %q: one of %s", key, strings.Join(slices.Sorted(maps.Keys(Keys)), ", "))
	}
	if strings.HasSuffix(key, ":") && t.name == "" {
		return t, fmt.Errorf("%s wants a name behind the colon", key)
	}
	return t, nil
}

// A Subject tells what it has for a key, and for the name behind the colon if the key has one: nothing, or more than one text,
// of which one has to match.
type Subject func(key, name string) []string

// Match says whether all terms hold. It asks for no more keys than it takes to know.
func (e Expr) Match(of Subject) bool {
	for _, t := range e {
		is := slices.ContainsFunc(of(t.key, t.name), func(text string) bool { return matches(t.pattern, text) })
		if is == t.not {
			return false
		}
	}
	return true
}

// Any says whether one of several expressions holds, or there is none.
func Any(all []Expr, of Subject) bool {
	return len(all) == 0 || slices.ContainsFunc(all, func(e Expr) bool { return e.Match(of) })
}

// matches says whether a pattern is all of the text. What is between stars is looked for from the left: no way back is needed.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok || len(parts) == 1 {
		return ok && text == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, text, ok = strings.Cut(text, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(text, parts[last])
}
