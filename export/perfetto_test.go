package export

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/pprof/profile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

// perfettoFields are those of Perfetto's protos that a trace has, as "name number type"; * is a list.
// Numbers and types are those of protos/perfetto/trace of github.com/google/perfetto, August 2026.
var perfettoFields = map[string][]string{
	"Trace": {"packet* 1 TracePacket"},
	"TracePacket": {"clock_snapshot 6 ClockSnapshot", "timestamp 8 uint64", "trusted_packet_sequence_id 10 uint32",
		"track_event 11 TrackEvent",
		"interned_data 12 InternedData", "sequence_flags 13 uint32", "track_descriptor 60 TrackDescriptor"},
	"ClockSnapshot": {"clocks* 1 Clock"},
	"Clock":         {"clock_id 1 uint32", "timestamp 2 uint64"},
	"TrackDescriptor": {"uuid 1 uint64", "name 2 string", "parent_uuid 5 uint64", "counter 8 CounterDescriptor", "child_ordering 11 int32",
		"sibling_order_rank 12 int32", "sibling_merge_behavior 15 int32"},
	"CounterDescriptor": {"unit_name 6 string"},
	"TrackEvent": {"debug_annotations* 4 DebugAnnotation", "type 9 int32", "name_iid 10 uint64", "track_uuid 11 uint64",
		"double_counter_value 44 double", "flow_ids* 47 fixed64", "terminating_flow_ids* 48 fixed64"},
	"DebugAnnotation": {"name_iid 1 uint64", "string_value_iid 17 uint64"},
	"InternedData": {"event_names* 2 Interned", "debug_annotation_names* 3 Interned",
		"debug_annotation_string_values* 29 Interned"},
	"Interned": {"iid 1 uint64", "name 2 string"}, // its text is a string in some, and bytes in one: the same on the wire
}

// perfettoTrace is the type of a trace.
func perfettoTrace(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	scalar := map[string]descriptorpb.FieldDescriptorProto_Type{"uint64": 4, "int32": 5, "fixed64": 6, "string": 9, "uint32": 13, "double": 1}
	file := &descriptorpb.FileDescriptorProto{Name: proto.String("trace.proto"), Syntax: proto.String("proto2")}
	for name, fields := range perfettoFields {
		m := &descriptorpb.DescriptorProto{Name: proto.String(name)}
		for _, f := range fields {
			words := strings.Fields(f)
			number := int32(0)
			for _, digit := range words[1] {
				number = number*10 + digit - '0'
			}
			d := &descriptorpb.FieldDescriptorProto{Name: proto.String(strings.TrimSuffix(words[0], "*")), Number: &number,
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: scalar[words[2]].Enum()}
			if strings.HasSuffix(words[0], "*") {
				d.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			if *d.Type == 0 {
				d.Type, d.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String("."+words[2])
			}
			m.Field = append(m.Field, d)
		}
		file.MessageType = append(file.MessageType, m)
	}
	f, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.Messages().ByName("Trace")
}

// readTrack is a track as a reader of a trace has it.
type readTrack struct {
	name   string
	parent uint64
	depth  int
	last   int64 // time of its last event
	events int
	opened []string
	sum    float64           // of a counter's values
	states map[string]int64  // time of the innermost slices by name
	notes  map[string]string // of the last slice
}

// readPerfetto does what trace_processor does: interned texts, nested slices, times that do not go back on a track.
func readPerfetto(t *testing.T, file []byte) (tracks map[uint64]*readTrack, flows [2]map[uint64]int) {
	t.Helper()
	trace := dynamicpb.NewMessage(perfettoTrace(t))
	if err := proto.Unmarshal(file, trace); err != nil {
		t.Fatal(err)
	}
	knowsAll(t, trace)
	get := func(m protoreflect.Message, name string) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name)))
	}
	texts := map[string]map[uint64]string{"event_names": {}, "debug_annotation_names": {}, "debug_annotation_string_values": {}}
	tracks = make(map[uint64]*readTrack)
	flows = [2]map[uint64]int{{}, {}}
	packets := get(trace, "packet").List()
	for i := range packets.Len() {
		p := packets.Get(i).Message()
		if flags := get(p, "sequence_flags").Uint(); (flags == 3) != (i == 0) || flags&2 == 0 {
			t.Fatalf("packet %d: flags %d", i, flags)
		}
		for list, known := range texts {
			for j, l := 0, get(get(p, "interned_data").Message(), list).List(); j < l.Len(); j++ {
				e := l.Get(j).Message()
				if known[get(e, "iid").Uint()] = get(e, "name").String(); !utf8.ValidString(get(e, "name").String()) {
					t.Errorf("%s: not UTF-8", list)
				}
			}
		}
		if d := get(p, "track_descriptor").Message(); d.IsValid() {
			tracks[get(d, "uuid").Uint()] = &readTrack{name: get(d, "name").String(), parent: get(d, "parent_uuid").Uint(),
				states: make(map[string]int64), notes: make(map[string]string)}
		}
		e := get(p, "track_event").Message()
		if !e.IsValid() {
			continue
		}
		track, at := tracks[get(e, "track_uuid").Uint()], int64(get(p, "timestamp").Uint())
		if track == nil {
			t.Fatalf("packet %d is of no track", i)
		}
		kind := get(e, "type").Int()
		if kind != instant && at < track.last {
			t.Fatalf("%s: time goes back by %d ns", track.name, track.last-at)
		}
		track.events++
		switch kind {
		case sliceBegin:
			track.depth++
			track.opened = append(track.opened, texts["event_names"][get(e, "name_iid").Uint()])
			for j, l := 0, get(e, "debug_annotations").List(); j < l.Len(); j++ {
				a := l.Get(j).Message()
				track.notes[texts["debug_annotation_names"][get(a, "name_iid").Uint()]] =
					texts["debug_annotation_string_values"][get(a, "string_value_iid").Uint()]
			}
		case sliceEnd:
			if track.depth--; track.depth < 0 {
				t.Fatalf("%s: ends what has not begun", track.name)
			}
			track.states[track.opened[track.depth]] += at - track.last
			track.opened = track.opened[:track.depth]
		case counter:
			track.sum += get(e, "double_counter_value").Float()
		}
		if kind != instant {
			track.last = at
		}
		for k, field := range []string{"flow_ids", "terminating_flow_ids"} {
			for j, l := 0, get(e, field).List(); j < l.Len(); j++ {
				flows[k][l.Get(j).Uint()]++
			}
		}
	}
	for _, track := range tracks {
		if track.depth != 0 {
			t.Errorf("%s: %d slices do not end", track.name, track.depth)
		}
	}
	return tracks, flows
}

func TestPerfettoSums(t *testing.T) {
	for name, p := range recordings(t) {
		var file bytes.Buffer
		err := writePerfetto(&file, p, Options{})
		if !slices.ContainsFunc(p.Sample, func(s *profile.Sample) bool {
			id := s.NumLabel["go.id"]
			return len(s.NumLabel["end_timestamp_ns"]) > 0 && len(id) > 0 && id[0] > 0
		}) {
			if !errors.Is(err, timeline.ErrNoTimeline) || !strings.Contains(err.Error(), "record --timeline") {
				t.Errorf("%s: %v, want the remedy", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tracks, flows := readPerfetto(t, file.Bytes())
		for _, track := range tracks {
			if c := indexOf(p, track.name); c >= 0 {
				want := int64(0)
				for _, s := range p.Sample {
					want += s.Value[c]
				}
				if got := int64(math.Round(track.sum * float64(counterStep))); got != want {
					t.Errorf("%s, %s: %d ns, want %d", name, track.name, got, want)
				}
			}
		}
		holdTracks(t, name, tracks, p)
		for id, n := range flows[1] {
			if n != 1 || flows[0][id] != 1 {
				t.Errorf("%s: flow %d begins %d times and ends %d times", name, id, flows[0][id], n)
			}
		}
	}
}

// holdTracks compares the states of each goroutine with those that report judges.
func holdTracks(t *testing.T, name string, tracks map[uint64]*readTrack, p *profile.Profile) {
	t.Helper()
	want, err := timeline.Read(p, slices.Values(p.Sample))
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]*readTrack)
	for _, track := range tracks {
		if parent := tracks[track.parent]; parent != nil && parent.name == "goroutines" {
			byName[track.name] = track
		}
	}
	if len(byName) != len(want.Tracks) {
		t.Errorf("%s: %d tracks of %d goroutines", name, len(byName), len(want.Tracks))
	}
	x := &perfetto{Timeline: want}
	for _, g := range want.Tracks {
		states := make(map[string]int64)
		for i := range g.Pieces {
			states[x.stateName(g.Pieces[i].State)] += g.Pieces[i].Length()
		}
		for state, ns := range states {
			track := byName[valid(x.goroutineName(g))]
			if track == nil || track.states[valid(state)] < ns {
				t.Fatalf("%s: goroutine %d, %q: %v, want %d ns", name, g.Goid, state, track, ns)
			}
		}
	}
}

// A request has a track with what its goroutine did, and a goroutine an arrow from who started it, and from who ended a wait of it.
func TestPerfettoRequests(t *testing.T) {
	p := serving()
	var file bytes.Buffer
	if err := writePerfetto(&file, p, Options{}); err != nil {
		t.Fatal(err)
	}
	tracks, flows := readPerfetto(t, file.Bytes())
	var names []string
	for _, track := range tracks {
		names = append(names, track.name)
		if track.name == "30.0ms endpoint=/a" && (track.states["IO wait"] != 20e6 || track.notes["endpoint"] != "/a" ||
			!strings.HasSuffix(track.notes["stack"], "\nnet/http.(*conn).serve")) {
			t.Errorf("%+v", track)
		}
	}
	slices.Sort(names)
	want := []string{"1 net/http.(*conn).serve", "2 main.child", "30.0ms endpoint=/a", "blocked", "cpu", "goroutines", "goroutines by state",
		"requests, slowest first", "runnable"}
	if !slices.Equal(names, want) || len(flows[0]) != 2 || len(flows[1]) != 2 {
		t.Errorf("%q, flows %v, want %q", names, flows, want)
	}
}

// serving is a goroutine that serves one request of 30 ms, in which it starts another one, which ends its second wait.
func serving() *profile.Profile {
	p := hostile.New(0, "k")
	p.DurationNanos = 2e9
	at := int64(1e18)
	locations := make(map[string]*profile.Location)
	frame := func(name string) *profile.Location {
		if locations[name] == nil {
			id := uint64(len(p.Function) + 2)
			f := &profile.Function{ID: id, Name: name, Filename: "x.go"}
			locations[name] = &profile.Location{ID: id, Line: []profile.Line{{Function: f}}}
			p.Function, p.Location = append(p.Function, f), append(p.Location, locations[name])
		}
		return locations[name]
	}
	add := func(goid, ns int64, state, endpoint string, names ...string) {
		s := &profile.Sample{Value: []int64{0, 0, 0, ns, ns}, Label: map[string][]string{"go.state": {state}},
			NumLabel: map[string][]int64{"go.id": {goid}, "end_timestamp_ns": {at + ns}}}
		if goid == 2 {
			s.NumLabel["go.parent"] = []int64{1}
		} else {
			at += ns
		}
		if endpoint != "" {
			s.Label["endpoint"] = []string{endpoint}
		}
		for _, name := range names {
			s.Location = append(s.Location, frame(name))
		}
		p.Sample = append(p.Sample, s)
	}
	serve := "net/http.(*conn).serve"
	add(1, 500e6, "IO wait", "", "net.(*netFD).Read", serve)
	add(1, 10e6, "chan receive", "/a", "main.handle", "net/http.serverHandler.ServeHTTP", serve)
	add(2, 40e6, "chan receive", "", "main.wait", "main.child")
	add(1, 20e6, "IO wait", "/a", "main.call", "main.handle", "net/http.serverHandler.ServeHTTP", serve)
	p.Sample[len(p.Sample)-1].NumLabel["go.woken_by"] = []int64{2}
	add(1, 900e6, "IO wait", "", "net.(*netFD).Read", serve)
	return p
}

// What asks for much is a long window and samples that each claim all of it.
func BenchmarkPerfetto(b *testing.B) {
	p := hostile.New(100_000, "request")
	for b.Loop() {
		if err := writePerfetto(io.Discard, p, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
