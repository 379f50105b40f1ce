package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/format.md is what other programs read mayfly's profiles by, so it has every key that the code writes, and none
// that it does not.

var (
	labelKey   = regexp.MustCompile(`^go\.[a-z]+(_[a-z]+)*$`)
	commentKey = regexp.MustCompile(`^mayfly\.[a-z0-9_.]*[a-z0-9_]`)
	frameName  = regexp.MustCompile(`^\[[A-Za-z ]+\]$`)
	quotedKey  = regexp.MustCompile("`((?:go|mayfly)\\.[a-z0-9_.]*[a-z0-9_])(?:\\.NAME)?`")
)

// noKeys are strings that only look like keys: files.
var noKeys = map[string]bool{"go.mod": true, "go.sum": true, "go.work": true, "mayfly.pb.gz": true}

// schema returns the label keys, comment keys and frames that a file of ours writes into profiles.
func schema(path string, src any) (keys, frames []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok && file.Name.Name == "summary" {
				keys = append(keys, tags(s)...)
			}
		case *ast.BasicLit:
			text, err := strconv.Unquote(n.Value)
			if n.Kind != token.STRING || err != nil {
				return true
			}
			if key := commentKey.FindString(text); key != "" && !noKeys[key] {
				keys = append(keys, key)
			} else if labelKey.MatchString(text) && !noKeys[text] {
				keys = append(keys, text)
			} else if frameName.MatchString(text) && (file.Name.Name == "profiler" || file.Name.Name == "fold") {
				frames = append(frames, text)
			}
		}
		return true
	})
	return keys, frames, nil
}

// tags returns the comment keys of the summary: its JSON keys.
func tags(s *ast.StructType) (keys []string) {
	for _, f := range s.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, _ := strconv.Unquote(f.Tag.Value)
		keys = append(keys, "mayfly."+reflect.StructTag(tag).Get("json"))
	}
	return keys
}

// quotedKeys returns the keys that a page has in backquotes.
func quotedKeys(page string) map[string]bool {
	keys := map[string]bool{}
	for _, m := range quotedKey.FindAllStringSubmatch(page, -1) {
		keys[m[1]] = true
	}
	return keys
}

func TestFormatPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "format.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented, written := quotedKeys(string(page)), map[string]bool{}
	sources(t, func(path string, src []byte) {
		keys, frames, err := schema(path, src)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if written[key] = true; !documented[key] {
				t.Errorf("%s: %q is not in docs/format.md", path, key)
			}
		}
		for _, frame := range frames {
			if !strings.Contains(string(page), "`"+frame+"`") {
				t.Errorf("%s: %q is not in docs/format.md", path, frame)
			}
		}
	})
	for _, key := range slices.Sorted(maps.Keys(documented)) {
		if !written[key] && key != "mayfly.ops.run" {
			t.Errorf("docs/format.md: nothing writes %q", key)
		}
	}
	if len(written) < 60 {
		t.Errorf("only %d keys were found in the code", len(written))
	}
}

// TestSchema shows that TestFormatPage can fail, both ways.
func TestSchema(t *testing.T) {
	const src = "import _ \"go.x\"\ntype CPU struct {\n\tA int `json:\"a_ns\"`\n}\ntype Summary struct {\n\tCPU\n}\n" +
		"var k = []string{\"go.state\", \"go.mod\", \"mayfly.ops.\", \"mayfly.pb.gz\", \"[C]\"}\n"
	of, _, err := schema("x.go", "package summary\n"+src)
	if err != nil || !slices.Equal(of, []string{"mayfly.a_ns", "go.state", "mayfly.ops"}) {
		t.Errorf("schema of the summary = %q, %v", of, err)
	}
	keys, frames, err := schema("x.go", "package profiler\n"+src)
	if err != nil || !slices.Equal(keys, []string{"go.state", "mayfly.ops"}) || !slices.Equal(frames, []string{"[C]"}) {
		t.Errorf("schema = %q, %q, %v", keys, frames, err)
	}
	got := quotedKeys("`go.id` and `mayfly.ops.NAME`, mayfly.none, `mayfly.engine.cpu`")
	if want := map[string]bool{"go.id": true, "mayfly.ops": true, "mayfly.engine.cpu": true}; !maps.Equal(got, want) {
		t.Errorf("quotedKeys = %v, want %v", got, want)
	}
}
