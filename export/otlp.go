package export

import (
	"encoding/hex"
	"io"
	"maps"
	"slices"

	"github.com/google/pprof/profile"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mayfly-profiler/mayfly/internal/resource"
	"github.com/mayfly-profiler/mayfly/internal/span"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// OTLPSchema is the version of OpenTelemetry's profiles that the format otlp writes. They are in development: a reader of
// another version may not understand it.
const OTLPSchema = "opentelemetry.proto.profiles.v1development of opentelemetry-proto 1.11"

// writeOTLP writes a ProfilesData (opentelemetry/proto/profiles/v1development/profiles.proto): a Profile for each column, the
// one to show first at the begin. Labels are attributes; of trace and span ids there are links. An ExportProfilesServiceRequest has the
// same fields, so that a file can be posted as it is.
func writeOTLP(w io.Writer, p *profile.Profile, o Options) error {
	first, err := o.column(p)
	if err != nil {
		return err
	}
	x := newOTLP()
	observations := x.observations(p)
	var scoped, ofResource, all message
	var scope message
	scope.text(1, "github.com/mayfly-profiler/mayfly") // InstrumentationScope.name
	scoped.entry(1, scope)
	columns := make([]int, 0, len(p.SampleType))
	for c := range p.SampleType {
		columns = append(columns, c)
	}
	if first > 0 {
		columns = slices.Insert(slices.Delete(columns, first, first+1), 0, first)
	}
	for _, c := range columns {
		scoped.entry(2, x.profile(p, c, observations))
	}
	ofResource.entry(1, resourceMessage(resource.Of(p, o.Service)))
	ofResource.entry(2, scoped)
	all.entry(1, ofResource)
	all.entry(2, x.dictionary)
	_, err = w.Write(all)
	return err
}

// resourceMessage is a Resource (opentelemetry/proto/resource/v1/resource.proto) of attributes.
func resourceMessage(list []resource.Attribute) (m message) {
	for _, a := range list {
		value := numbers([]int64{a.Number})
		if a.Text != "" {
			value = texts([]string{a.Text})
		}
		var pair message // KeyValue
		pair.text(1, valid(a.Key))
		pair.entry(2, value)
		m.entry(1, pair)
	}
	return m
}

// Fields of ProfilesDictionary, whose tables all begin with the zero value.
const (
	otlpMapping   = 1
	otlpLocation  = 2
	otlpFunction  = 3
	otlpLink      = 4
	otlpString    = 5
	otlpAttribute = 6
	otlpStack     = 7
)

// otlp is the dictionary that the profiles of all columns share.
type otlp struct {
	dictionary message
	size       [otlpStack + 1]int64 // of each table
	known      [otlpStack + 1]map[string]int64
	locations  map[*profile.Location]int64
	mappings   map[*profile.Mapping]int64
	functions  map[*profile.Function]int64
}

func newOTLP() *otlp {
	x := &otlp{locations: make(map[*profile.Location]int64), mappings: make(map[*profile.Mapping]int64),
		functions: make(map[*profile.Function]int64)}
	for table := range x.known {
		x.known[table] = make(map[string]int64)
	}
	for table := otlpMapping; table <= otlpStack; table++ {
		if table != otlpLink {
			x.put(table, nil)
		}
	}
	x.link(make([]byte, 16), make([]byte, 8))
	return x
}

// put is the place of an entry in a table, where it is added unless it is there.
func (x *otlp) put(table int, entry message) int64 {
	at, ok := x.known[table][string(entry)]
	if !ok {
		at = x.size[table]
		x.known[table][string(entry)] = at
		x.size[table]++
		x.dictionary.entry(protowire.Number(table), entry)
	}
	return at
}

func (x *otlp) text(s string) int64 { return x.put(otlpString, message(valid(s))) }

func (x *otlp) link(trace, span []byte) int64 {
	var m message
	m.entry(1, trace)
	m.entry(2, span)
	return x.put(otlpLink, m)
}

// attribute has a value in AnyValue's encoding.
func (x *otlp) attribute(key string, value message, unit string) int64 {
	var m message
	m.int(1, x.text(key))
	m.entry(2, value)
	m.int(3, x.text(unit))
	return x.put(otlpAttribute, m)
}

// texts is an AnyValue: a text, or a list of them.
func texts(list []string) (value message) {
	if len(list) == 1 {
		value.entry(1, []byte(valid(list[0])))
		return value
	}
	var array message
	for _, s := range list {
		array.entry(1, texts([]string{s}))
	}
	value.entry(5, array)
	return value
}

// numbers is an AnyValue: a number, or a list of them.
func numbers(list []int64) (value message) {
	if len(list) == 1 {
		// Also where it is 0: the field says that there is one.
		return protowire.AppendVarint(protowire.AppendTag(value, 3, protowire.VarintType), uint64(list[0]))
	}
	var array message
	for _, n := range list {
		array.entry(1, numbers([]int64{n}))
	}
	value.entry(5, array)
	return value
}

func (x *otlp) mapping(m *profile.Mapping) int64 {
	if m == nil {
		return 0
	}
	at, ok := x.mappings[m]
	if !ok {
		var e, attributes message
		e.uint(1, m.Start)
		e.uint(2, m.Limit)
		e.uint(3, m.Offset)
		e.int(4, x.text(m.File))
		if m.BuildID != "" {
			attributes.number(x.attribute("process.executable.build_id.gnu", texts([]string{m.BuildID}), ""))
		}
		e.packed(5, attributes)
		at = x.put(otlpMapping, e)
		x.mappings[m] = at
	}
	return at
}

func (x *otlp) function(f *profile.Function) int64 {
	at, ok := x.functions[f]
	if !ok {
		var e message
		e.int(1, x.text(frameName(f)))
		if f != nil {
			e.int(2, x.text(f.SystemName))
			e.int(3, x.text(f.Filename))
			e.int(4, f.StartLine)
		}
		at = x.put(otlpFunction, e)
		x.functions[f] = at
	}
	return at
}

func (x *otlp) location(l *profile.Location) int64 {
	at, ok := x.locations[l]
	if !ok {
		var e message
		e.int(1, x.mapping(l.Mapping))
		e.uint(2, l.Address)
		for _, line := range l.Line {
			var m message
			m.int(1, x.function(line.Function))
			m.int(2, line.Line)
			m.int(3, line.Column)
			e.entry(3, m)
		}
		at = x.put(otlpLocation, e)
		x.locations[l] = at
	}
	return at
}

func (x *otlp) stack(s *profile.Sample) int64 {
	var list, e message
	for _, l := range s.Location {
		list.number(x.location(l))
	}
	e.packed(1, list)
	return x.put(otlpStack, e)
}

// observation is what makes a sample another one for OTLP, and what was observed of it.
type observation struct {
	identity message // fields 1 to 3 of Sample
	samples  []*profile.Sample
	timed    bool
}

func (x *otlp) observations(p *profile.Profile) (list []*observation) {
	byIdentity := make(map[string]*observation)
	for _, s := range p.Sample {
		var m message
		m.int(1, x.stack(s))
		m.packed(2, x.attributes(s))
		m.int(3, x.linkOf(s))
		timed := len(s.NumLabel[sample.KeyEnd]) > 0
		key := string(m)
		if timed {
			key += "@"
		}
		ob := byIdentity[key]
		if ob == nil {
			ob = &observation{identity: m, timed: timed}
			byIdentity[key] = ob
			list = append(list, ob)
		}
		ob.samples = append(ob.samples, s)
	}
	return list
}

// attributes are a sample's labels, but for the time, which is a field of its own.
func (x *otlp) attributes(s *profile.Sample) (list message) {
	for _, key := range slices.Sorted(maps.Keys(s.Label)) {
		list.number(x.attribute(key, texts(s.Label[key]), ""))
	}
	for _, key := range slices.Sorted(maps.Keys(s.NumLabel)) {
		if _, twice := s.Label[key]; key == sample.KeyEnd || twice { // keys are unique
			continue
		}
		unit := ""
		if u := s.NumUnit[key]; len(u) > 0 {
			unit = u[0]
		}
		list.number(x.attribute(key, numbers(s.NumLabel[key]), unit))
	}
	return list
}

// linkOf is the link to a span that a sample's labels name, 0 for none.
func (x *otlp) linkOf(s *profile.Sample) int64 {
	id := span.Of(func(key string) string {
		if v := s.Label[key]; len(v) == 1 {
			return v[0]
		}
		return ""
	})
	trace, err := hex.DecodeString(id.Trace)
	of, err2 := hex.DecodeString(id.Span)
	if err != nil || err2 != nil || len(trace) != 16 || len(of) != 8 {
		return 0
	}
	return x.link(trace, of)
}

func (x *otlp) valueType(t *profile.ValueType) (m message) {
	if t != nil {
		m.int(1, x.text(t.Type))
		m.int(2, x.text(t.Unit))
	}
	return m
}

// profile is the Profile of a column.
func (x *otlp) profile(p *profile.Profile, c int, observations []*observation) (m message) {
	m.entry(1, x.valueType(p.SampleType[c]))
	for _, ob := range observations {
		var values, times message
		for _, s := range ob.samples {
			if s.Value[c] == 0 {
				continue
			}
			values.number(s.Value[c])
			if ob.timed {
				times.fixed(uint64(max(s.NumLabel[sample.KeyEnd][0], 0)))
			}
		}
		if len(values) > 0 {
			e := slices.Clone(ob.identity)
			e.packed(4, values)
			e.packed(5, times)
			m.entry(2, e)
		}
	}
	m.fixed64(3, uint64(max(p.TimeNanos, 0)))
	m.uint(4, uint64(max(p.DurationNanos, 0)))
	if p.PeriodType != nil {
		m.entry(5, x.valueType(p.PeriodType))
	}
	m.int(6, p.Period)
	if len(p.Comments) > 0 {
		var attributes message
		attributes.number(x.attribute("pprof.profile.comment", texts(p.Comments), ""))
		m.packed(11, attributes)
	}
	return m
}
