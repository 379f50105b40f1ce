package export

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

type fieldNumber = protowire.Number

// message is one of protobuf in the making, field by field, in any order that is convenient. A field that has its zero value
// is left out, as proto3 has it. Nothing is generated: types that register themselves would be a second copy where a program
// has the same ones from elsewhere, and protobuf ends such a program when it starts.
type message []byte

func (m *message) uint(field protowire.Number, v uint64) {
	if v != 0 {
		*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), v)
	}
}

func (m *message) int(field protowire.Number, v int64) { m.uint(field, uint64(v)) }

func (m *message) fixed64(field protowire.Number, v uint64) {
	if v != 0 {
		*m = protowire.AppendFixed64(protowire.AppendTag(*m, field, protowire.Fixed64Type), v)
	}
}

// double is a field that may be 0, as one of a oneof.
func (m *message) double(field protowire.Number, v float64) {
	*m = protowire.AppendFixed64(protowire.AppendTag(*m, field, protowire.Fixed64Type), math.Float64bits(v))
}

func (m *message) text(field protowire.Number, s string) {
	if s != "" {
		m.entry(field, []byte(s))
	}
}

// entry is a message or a text within this one, also an empty one: in a list it has a place.
func (m *message) entry(field protowire.Number, b []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), b)
}

// packed is a list of numbers.
func (m *message) packed(field protowire.Number, list message) {
	if len(list) > 0 {
		m.entry(field, list)
	}
}

// number and fixed append an element of a packed list.
func (m *message) number(v int64) { *m = protowire.AppendVarint(*m, uint64(v)) }
func (m *message) fixed(v uint64) { *m = protowire.AppendFixed64(*m, v) }
