package settings

import (
	"reflect"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	got, err := Read(strings.NewReader("# of an agent\nevery: 15s\nrate: 97\n\nselect:\n  - name=etcd\n  - 'user=a,exe!=/b*'\n"))
	want := []Setting{{"every", []string{"15s"}, false, 2}, {"rate", []string{"97"}, false, 3},
		{"select", []string{"name=etcd", "user=a,exe!=/b*"}, true, 5}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := Read(strings.NewReader("# nothing\n")); err != nil || got != nil {
		t.Errorf("of comments: %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"every 15s\n":                  "line 1: want KEY: VALUE",
		"a: 1\nb:\n":                   "line 2: b: want a value, or a list of values",
		"a: 1\nb: {c: d}\n":            "line 2: b: want a value, or a list of values",
		"a: &x 1\nb: *x\n":             "line 2: b: want a value, or a list of values",
		"a: []\n":                      "line 1: a: the list is empty",
		"a: 1\nb: 2\na: 3\n":           "line 3: a is set in line 1",
		"a: [1\nb: 2\n":                "line 1: did not find expected ',' or ']'",
		strings.Repeat("#", maxFile+1): "more than 1 MiB",
		"? [a]\n: b\n":                 "line 1: want KEY: VALUE",
		"a: 1\nb: [c, [d]]\n":          "line 2: b: want a value, or a list of values",
		"a: 1\n---\nb: 2\n":            "more than one document",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a: 1\nb: [c, d]\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Read(strings.NewReader(text))
		for _, s := range all {
			if err != nil || len(s.Values) == 0 || s.Line < 1 {
				t.Fatalf("%+v, %v", s, err)
			}
		}
	})
}
