package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The words that a profile's writer and its readers share are spelled in profiler/sample only. A key that is spelled twice is
// renamed once.

const schemaFile = "profiler/sample/schema.go"

// ownComment is the key of one of mayfly's comments, with or without what follows it.
var ownComment = regexp.MustCompile(`^mayfly\.[a-z_.]*=?$`)

// schemaKeys are the keys of labels that the schema has.
func schemaKeys(src []byte) (map[string]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), schemaFile, src, 0)
	if err != nil {
		return nil, err
	}
	keys := make(map[string]string)
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Key") {
			text, _ := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			keys[text] = "sample." + v.Names[0].Name
		}
		return true
	})
	return keys, nil
}

// misspelt returns the literals of a source file that the schema has a name for.
func misspelt(path string, src any, keys map[string]string) (bad []string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, src, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		l, ok := n.(*ast.BasicLit)
		if !ok || l.Kind != token.STRING {
			return true
		}
		text, _ := strconv.Unquote(l.Value)
		if name := keys[text]; name != "" {
			bad = append(bad, fmt.Sprintf("%s: %s is %s", set.Position(l.Pos()), l.Value, name))
		}
		if ownComment.MatchString(text) && !noKeys[text] {
			bad = append(bad, fmt.Sprintf("%s: %s belongs to %s", set.Position(l.Pos()), l.Value, schemaFile))
		}
		return true
	})
	return bad
}

func TestSchemaStrings(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", schemaFile))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := schemaKeys(src)
	if err != nil || len(keys) < 8 {
		t.Fatalf("keys %v: %v", keys, err)
	}
	sources(t, func(path string, src []byte) {
		if path == schemaFile || strings.Contains(path, "/hostile/") { // which writes what it likes
			return
		}
		for _, b := range misspelt(path, src, keys) {
			t.Error(b)
		}
	})
}

// TestMisspelt shows that the rule can be broken.
func TestMisspelt(t *testing.T) {
	keys := map[string]string{"go.state": "sample.KeyState"}
	for literal, want := range map[string]int{
		`"go.state"`: 1, "`go.state`": 1,
		`"mayfly."`: 1, `"mayfly.denied="`: 1, `"mayfly.ops."`: 1, `"mayfly.run.wall_ns="`: 1, `"mayfly.denied"`: 1,
		`"mayfly.pb.gz"`: 0, `"the label go.state"`: 0, `"mayfly"`: 0,
	} {
		if bad := misspelt("x.go", "package x\nvar x = "+literal, keys); len(bad) != want {
			t.Errorf("%s: %v, want %d", literal, bad, want)
		}
	}
}
