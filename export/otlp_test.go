package export

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	profiles "go.opentelemetry.io/proto/otlp/profiles/v1development"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// readOTLP reads a file with OpenTelemetry's own types, and sees that they know all of its fields.
func readOTLP(t *testing.T, p *profile.Profile) *profiles.ProfilesData {
	t.Helper()
	var file bytes.Buffer
	if err := writeOTLP(&file, p, Options{}); err != nil {
		t.Fatal(err)
	}
	var d profiles.ProfilesData
	if err := proto.Unmarshal(file.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	knowsAll(t, d.ProtoReflect())
	return &d
}

func knowsAll(t *testing.T, m protoreflect.Message) {
	t.Helper()
	if len(m.GetUnknown()) > 0 {
		t.Errorf("%s: unknown fields %x", m.Descriptor().Name(), m.GetUnknown())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				knowsAll(t, v.List().Get(i).Message())
			}
		case f.Message() != nil:
			knowsAll(t, v.Message())
		}
		return true
	})
}

func TestOTLPSums(t *testing.T) {
	for name, p := range recordings(t) {
		d := readOTLP(t, p)
		dict := d.Dictionary
		if dict.StringTable[0] != "" || !proto.Equal(dict.MappingTable[0], &profiles.Mapping{}) ||
			!proto.Equal(dict.AttributeTable[0], &profiles.KeyValueAndUnit{}) || len(dict.LinkTable[0].TraceId) != 16 {
			t.Errorf("%s: tables do not begin with nothing", name)
		}
		all := d.ResourceProfiles[0].ScopeProfiles[0].Profiles
		if len(all) != len(p.SampleType) {
			t.Fatalf("%s: %d profiles of %d columns", name, len(all), len(p.SampleType))
		}
		first, _ := Options{}.column(p)
		for i, got := range all {
			c := slices.IndexFunc(p.SampleType, func(st *profile.ValueType) bool {
				return st.Type == dict.StringTable[got.SampleType.TypeStrindex] && st.Unit == dict.StringTable[got.SampleType.UnitStrindex]
			})
			if i == 0 && c != first {
				t.Errorf("%s: column %d is first, want %d", name, c, first)
			}
			sameSums(t, name+", "+p.SampleType[c].Type, otlpStacks(t, dict, got), byStack(p, c, nil))
		}
	}
}

// otlpStacks adds a profile up.
func otlpStacks(t *testing.T, d *profiles.ProfilesDictionary, p *profiles.Profile) map[string]int64 {
	t.Helper()
	sums := make(map[string]int64)
	for _, s := range p.Samples {
		var names []string
		for _, l := range slices.Backward(d.StackTable[s.StackIndex].LocationIndices) {
			lines := d.LocationTable[l].Lines
			if len(lines) == 0 {
				m := &profile.Mapping{File: d.StringTable[d.MappingTable[d.LocationTable[l].MappingIndex].FilenameStrindex]}
				names = append(names, samples.Unnamed(&profile.Location{Mapping: m}))
			}
			for _, line := range slices.Backward(lines) {
				names = append(names, d.StringTable[d.FunctionTable[line.FunctionIndex].NameStrindex])
			}
		}
		if n := len(s.TimestampsUnixNano); n != 0 && n != len(s.Values) {
			t.Errorf("%d timestamps of %d values", n, len(s.Values))
		}
		for _, v := range s.Values {
			sums[strings.Join(names, "\n")] += v
		}
	}
	return sums
}

// A file says who its profile is of, and Options.Service goes first.
func TestOTLPResource(t *testing.T) {
	p := small()
	p.Comments = []string{"mayfly.resource=service.name=shop,\xff=x", "mayfly.pid=42"}
	want := map[string]string{"service.name": `string_value:"shop"`, "process.pid": "int_value:42", "\uFFFD": `string_value:"x"`,
		"process.executable.name": `string_value:"x"`, "process.executable.path": `string_value:"/bin/x"`}
	for _, service := range []string{"", "mine"} {
		var file bytes.Buffer
		if err := writeOTLP(&file, p, Options{Service: service}); err != nil {
			t.Fatal(err)
		}
		var d profiles.ProfilesData
		if err := proto.Unmarshal(file.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		if service != "" {
			want["service.name"] = `string_value:"mine"`
		}
		got := make(map[string]string)
		for _, kv := range d.ResourceProfiles[0].Resource.Attributes {
			got[kv.Key] = strings.TrimSpace(kv.Value.String())
		}
		if !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// What a sample has besides its stack: labels as attributes, its time, and the span that it belongs to.
func TestOTLPLabels(t *testing.T) {
	p := small()
	p.Sample = p.Sample[:1]
	p.Sample[0].Label = map[string][]string{"endpoint": {"/a"}, "two": {"x", "y"},
		"trace_id": {"000102030405060708090a0b0c0d0e0f"}, "span_id": {"f0f1f2f3f4f5f6f7"}}
	p.Sample[0].NumLabel = map[string][]int64{"go.id": {0}, "bytes": {7}, "end_timestamp_ns": {123}}
	p.Sample[0].NumUnit = map[string][]string{"bytes": {"bytes"}}
	p.Comments = []string{"one", "two"}
	d := readOTLP(t, p)
	dict, got := d.Dictionary, d.ResourceProfiles[0].ScopeProfiles[0].Profiles[0]
	s := got.Samples[0]
	attributes := make(map[string]string)
	for _, i := range s.AttributeIndices {
		a := dict.AttributeTable[i]
		text := strings.ReplaceAll(a.Value.String(), "  ", " ") // protobuf's text is with one space or two
		attributes[dict.StringTable[a.KeyStrindex]] = text + dict.StringTable[a.UnitStrindex]
	}
	for key, want := range map[string]string{"endpoint": `string_value:"/a"`, "go.id": "int_value:0", "bytes": "int_value:7bytes",
		"two": `array_value:{values:{string_value:"x"} values:{string_value:"y"}}`} {
		if attributes[key] != want {
			t.Errorf("%s: %s, want %s", key, attributes[key], want)
		}
	}
	link := dict.LinkTable[s.LinkIndex]
	if len(attributes) != 6 || s.TimestampsUnixNano[0] != 123 || link.TraceId[15] != 15 || link.SpanId[0] != 0xf0 {
		t.Errorf("%v, %v, %v", attributes, s, link)
	}
	if a := dict.AttributeTable[got.AttributeIndices[0]]; dict.StringTable[a.KeyStrindex] != "pprof.profile.comment" ||
		len(a.Value.GetArrayValue().GetValues()) != 2 {
		t.Errorf("comments: %v", a)
	}
}
