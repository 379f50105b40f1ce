package resource

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/pprof/profile"
)

func TestOf(t *testing.T) {
	p := &profile.Profile{Mapping: []*profile.Mapping{{File: "/opt/shop/server"}}, Comments: []string{"#mayfly.go_version=go1.26.8",
		"#mayfly.resource=deployment.environment=a%2Cb,host.name=pod-1,service.name=shop,process.pid=1", "mayfly.pid=42",
		"mayfly.hostname=node-1"}}
	for _, tt := range []struct {
		p       *profile.Profile
		service string
		want    []Attribute
	}{
		{p, "", []Attribute{{"deployment.environment", "a,b", 0}, {"host.name", "pod-1", 0}, {"process.executable.name", "server", 0},
			{"process.executable.path", "/opt/shop/server", 0}, {"process.pid", "", 42}, {"process.runtime.name", "go", 0},
			{"process.runtime.version", "go1.26.8", 0}, {"service.name", "shop", 0}}},
		{&profile.Profile{Mapping: p.Mapping, Comments: []string{"mayfly.pid=x", "mayfly.hostname=h"}}, "", []Attribute{{"host.name", "h", 0},
			{"process.executable.name", "server", 0}, {"process.executable.path", "/opt/shop/server", 0}, {"service.name", "server", 0}}},
		{&profile.Profile{Mapping: []*profile.Mapping{{File: "[vdso]"}}}, "", []Attribute{{"service.name", Unknown, 0}}},
		{&profile.Profile{}, "mine", []Attribute{{"service.name", "mine", 0}}},
	} {
		if got := Of(tt.p, tt.service); !slices.Equal(got, tt.want) {
			t.Errorf("%v, want %v", got, tt.want)
		}
	}
	if s := Of(p, "mine"); s[len(s)-1] != (Attribute{"service.name", "mine", 0}) {
		t.Errorf("%v", s)
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"":                       {},
		"a=1, b = 2 ,c=x%20y":    {"a": "1", "b": "2", "c": "x y"},
		"a=1,a=2,=3,b,c=,d=%zz,": {"a": "2", "d": "%zz"},
		"k=a=b":                  {"k": "a=b"},
	} {
		if got := Parse(text); !maps.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// What the recorder's environment says of the host is said of the process, unless that says it itself; what it says of the recorder is not.
func TestAddHost(t *testing.T) {
	host := Host("service.name=mayfly,k8s.pod.name=agent-1,host.name=node-1,k8s.node.name=node-1,cloud.region=eu%2Cwest,process.pid=7")
	for _, tt := range []struct {
		comments []string
		want     map[string]string
	}{
		{nil, map[string]string{"cloud.region": "eu,west", "host.name": "node-1", "k8s.node.name": "node-1", "service.name": Unknown}},
		{[]string{"#mayfly.hostname=agent-1"}, map[string]string{"cloud.region": "eu,west", "host.name": "node-1", "k8s.node.name": "node-1",
			"service.name": Unknown}},
		{[]string{"#mayfly.resource=host.name=own,service.name=shop"}, map[string]string{"cloud.region": "eu,west", "host.name": "own",
			"k8s.node.name": "node-1", "service.name": "shop"}},
	} {
		p := &profile.Profile{Comments: tt.comments}
		AddHost(p, host)
		AddHost(p, host) // changes nothing
		got := make(map[string]string)
		for _, a := range Of(p, "") {
			got[a.Key] = a.Text
		}
		if !maps.Equal(got, tt.want) || len(p.Comments) > len(tt.comments)+1 {
			t.Errorf("%q: %v, want %v", p.Comments, got, tt.want)
		}
	}
}
