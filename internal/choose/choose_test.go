package choose

import (
	"path"
	"strings"
	"testing"
)

// etcd is a process in a container.
func etcd(key, name string) []string {
	return map[string][]string{
		"name": {"etcd"}, "exe": {"/usr/local/bin/etcd"}, "cmdline": {"etcd --data-dir /a,b"}, "user": {"root", "0"}, "container": {"3f2a1b"},
		"env:REGION": {"eu-1"}, "resource:service.name": {"kv"},
	}[key+name]
}

func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		"name=etcd": true, "name=etc": false, "name=*": true, "name=e*d": true, "name=e*t*d": true, "name=etcd*": true, "name=*etcd": true,
		"name=e*dd": false, "name=etcdetcd": false, "name!=etcd": false, "name!=caddy": true,
		"exe=/usr/*/etcd": true, "exe=etcd": false, "cmdline=*--data-dir *": true,
		"user=0": true, "user=root": true, "user=1": false, "user!=root": false, // one of its two
		"container=3f2a*": true, "container=*": true, "namespace=*": false, "namespace!=shop": true, "namespace!=*": true,
		"env:REGION=eu-*": true, "env:REGION=us-*": false, "env:OTHER=": false, "env:OTHER!=x": true,
		"resource:service.name=kv": true,
		"name=etcd,user=0":         true, "name=etcd, user=1": false, "name!=caddy,container!=*": false,
		"env:REGION=a=b": false,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := e.Match(etcd); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestAny(t *testing.T) {
	a, _ := Parse("name=caddy")
	b, _ := Parse("name=etcd")
	for i, c := range []struct {
		all  []Expr
		want bool
	}{{nil, true}, {[]Expr{a}, false}, {[]Expr{a, b}, true}} {
		if got := Any(c.all, etcd); got != c.want {
			t.Errorf("%d: %t", i, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"": "no KEY=PATTERN", "etcd": "no KEY=PATTERN", "names=x": `key "names": one of cgroup, cmdline`, "env=x": `key "env"`,
		"env:=x":  "wants a name",
		"name=a,": "no KEY=PATTERN", "name=" + strings.Repeat("x", maxPattern+1): "longer than", "name:x=y": `key "name:"`,
		strings.Repeat("name=a,", maxTerms) + "name=b": "more than 32 terms",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// A pattern without what path.Match has besides stars means the same as there, where the text has no slash.
func FuzzMatches(f *testing.F) {
	f.Add("a*b*c", "axbxbc")
	f.Add("*", "")
	f.Add("ab*ba", "aba")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if strings.ContainsAny(pattern, `?[\/`) || strings.Contains(text, "/") || len(pattern)+len(text) > 1000 || !isASCII(pattern+text) {
			return
		}
		want, err := path.Match(pattern, text)
		if err != nil {
			return
		}
		if got := matches(pattern, text); got != want {
			t.Errorf("matches(%q, %q) = %t", pattern, text, got)
		}
	})
}

func isASCII(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r > 126 }) < 0 }
