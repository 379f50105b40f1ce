package house

import (
	"fmt"
	"go/scanner"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// words are names of our own for what the field has names for, and those names.
var words = map[string]string{
	"look": "scan, or tick", "looks": "scans, or ticks", "looked": "scanned", "stay": "interval", "stays": "intervals",
	"theft": "steal", "rob": "charge steal", "robbed": "stolen", "owe": "charge", "owes": "charges", "owed": "pending",
	"told": "reported", "chop": "onoff", "chopped": "onoff", "chopper": "onoff", "referee": "groundtruth", "refereed": "judged",
	"peel": "exclude", "peeled": "excluded", "shaky": "ambiguous", "steady": "stable", "pulse": "change", "standard": "default",
}

// before are words that make another one of a private word: looking something up is no scan.
var before = map[string]bool{"up": true, "path": true, "behind": true}

// prose is the same in sentences, where the words are no part of plain English.
var prose = regexp.MustCompile(`(?i)\b(the|a|an|each|every|last|next|one|per|two|between) looks?\b('s| [a-z]+|$|[.,:;)])|` +
	`\blooks (a|per) (second|tick)\b|\b(the|a|each|of|long|short|equal) stays?\b[ ,.;:]|\breferee\b|\bchop(s|ped)?\b|` +
	`\b(theft|robbed|owed|shaky)\b`)

// verb is what looks like one of those and is a verb, or a noun of plain English.
var verb = regexp.MustCompile(`(?i)^\w+ looks? (at|for|up|into|like|as|how|whether|right|alike|through|ahead)$`)

// TestWords holds identifiers, comments and documents to the words of the field.
func TestWords(t *testing.T) {
	files(t, ".go", func(path string, src []byte) {
		if inTestdata(path) || path == "internal/house/words_test.go" {
			return
		}
		for _, bad := range privateWords(path, src) {
			t.Error(bad)
		}
	})
	files(t, ".md", func(path string, src []byte) {
		for i, line := range strings.Split(string(src), "\n") {
			if m := inProse(line); m != "" {
				t.Errorf("%s:%d: %q is a word of our own", path, i+1, m)
			}
		}
	})
}

// privateWords returns the identifiers and comments of a Go file that have one.
func privateWords(path string, src []byte) (bad []string) {
	fset := token.NewFileSet()
	file := fset.AddFile(path, -1, len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, scanner.ScanComments)
	for {
		pos, tok, text := s.Scan()
		switch {
		case tok == token.EOF:
			return bad
		case tok == token.IDENT:
			if word, instead := inIdentifier(text); word != "" {
				bad = append(bad, fmt.Sprintf("%s: %s: %q is a word of our own; the field says %s", fset.Position(pos), text, word, instead))
			}
		case tok == token.COMMENT:
			if m := inProse(text); m != "" {
				bad = append(bad, fmt.Sprintf("%s: %q is a word of our own", fset.Position(pos), m))
			}
		}
	}
}

var parts = regexp.MustCompile(`[A-Z]?[a-z]+|[A-Z]+`)

// inIdentifier finds a private word in a name in mixed caps.
func inIdentifier(name string) (word, instead string) {
	all := parts.FindAllString(name, -1)
	for i, w := range all {
		w = strings.ToLower(w)
		if i+1 < len(all) && before[strings.ToLower(all[i+1])] {
			continue
		}
		if instead := words[w]; instead != "" {
			return w, instead
		}
	}
	return "", ""
}

func inProse(text string) string {
	for _, m := range prose.FindAllString(text, -1) {
		if m = strings.TrimSpace(m); !verb.MatchString(m) {
			return m
		}
	}
	return ""
}

// TestWordsAreFound has one of each kind, and what is none.
func TestWordsAreFound(t *testing.T) {
	src := "package p\n// lookUp looks at the next look's end.\n" +
		"var lastLook, lookUp, lookPath, outlook, owedNS int // held for a stay of a second\n"
	if bad := privateWords("p.go", []byte(src)); len(bad) != 4 {
		t.Errorf("%q", bad)
	}
}
