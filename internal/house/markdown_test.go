package house

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxMarkdown is how long a line of Markdown may be, in characters. Tables may be longer, those of
// measurements included, and links, which cannot be broken.
const maxMarkdown = 120

var (
	link    = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]*)\)`)
	aligned = regexp.MustCompile(`\S {2,}\S`)
)

// wide returns the lines of a page that are too long.
func wide(page string) (bad []string) {
	for i, line := range strings.Split(page, "\n") {
		text := link.ReplaceAllString(line, "[]")
		measured := strings.HasPrefix(line, "    ") && len(aligned.FindAllString(line, -1)) >= 3
		if n := utf8.RuneCountInString(text); n > maxMarkdown && !strings.HasPrefix(line, "|") && !measured {
			bad = append(bad, fmt.Sprintf("%d: %d characters", i+1, n))
		}
	}
	return bad
}

// dead returns the links of a page that lead to no file, given whether a path of the repository exists.
func dead(name, page string, exists func(string) bool) (bad []string) {
	for _, m := range link.FindAllStringSubmatch(page, -1) {
		target, _, _ := strings.Cut(m[1], "#")
		if target != "" && !strings.Contains(target, "://") && !exists(path.Join(path.Dir(name), target)) {
			bad = append(bad, target)
		}
	}
	return bad
}

func TestMarkdown(t *testing.T) {
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(name)))
		return err == nil
	}
	files(t, ".md", func(name string, page []byte) {
		for _, line := range wide(string(page)) {
			t.Errorf("%s:%s, more than %d", name, line, maxMarkdown)
		}
		for _, target := range dead(name, string(page), exists) {
			t.Errorf("%s: nothing at %s", name, target)
		}
	})
}

// TestMarkdownLapses shows that TestMarkdown can fail.
func TestMarkdownLapses(t *testing.T) {
	long := strings.Repeat("x ", 61)
	for page, want := range map[string]int{
		"short\n" + long:                                1,
		"    $ " + long:                                 1,
		"| " + long + "|":                               0,
		"    a  1.00  2.00  3.00  " + long:              0,
		"[a](https://" + strings.Repeat("x", 120) + ")": 0,
		"± " + strings.Repeat("±", 118):                 0,
	} {
		if got := wide(page); len(got) != want {
			t.Errorf("%q: %q, want %d", page, got, want)
		}
	}
	only := func(name string) bool { return name == "docs/a.md" }
	page := "[a](a.md) [b](../docs/a.md#x) [c](b.md) [d](https://x/y) [e](#here)"
	if got := dead("docs/x.md", page, only); len(got) != 1 || got[0] != "b.md" {
		t.Errorf("dead = %q, want b.md", got)
	}
}
