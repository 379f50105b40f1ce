package goruntime

import (
	"reflect"
	"slices"
	"strings"
)

// column is a release that the table (zlayout.go) knows.
type column struct {
	Release string // "go1.26.8"
	Minor   int
	Arch    string
}

// row is one field in all releases of columns, in their order.
type row struct {
	Field   string // "runtime.g.stack.lo"
	Offsets []int32
}

// fromTable sets the fields to those of the minor version's release and says whether the table has
// one, and whether it is exactly that version. When it has none, the fields stay as they are.
func (f *Fields) fromTable(version string, minor int, arch string) (known, exact bool) {
	i := slices.IndexFunc(columns, func(c column) bool { return c.Minor == minor && c.Arch == arch })
	if i < 0 {
		return false, false
	}
	offsets := make(map[string]int32, len(rows))
	for _, r := range rows {
		offsets[r.Field] = r.Offsets[i]
	}
	f.each(func(x field) {
		if off, ok := offsets[x.name()]; ok {
			*x.offset = off
		}
	})
	return true, columns[i].Release == version
}

// newest sets the fields to those of the newest release that the table has.
func (f *Fields) newest(arch string) {
	last := columns[len(columns)-1]
	f.fromTable(last.Release, last.Minor, arch)
}

// Rows returns all fields by the name that the runtime gives them ("runtime.g.stack.lo"), in the
// order of Fields. The generator of the table writes them out.
func (f *Fields) Rows() (names []string, offsets []int32) {
	f.each(func(x field) {
		names = append(names, x.name())
		offsets = append(offsets, *x.offset)
	})
	return names, offsets
}

// field is one offset of Fields.
type field struct {
	typ    string   // "runtime.schedt"
	paths  []string // "runq.size", "runqsize": the first that exists; "SIZE" is the struct's size
	core   bool     // nothing works without it
	offset *int32
}

func (x field) name() string { return x.typ + "." + x.paths[0] }

// each calls visit for every field, in the order of the structs.
func (f *Fields) each(visit func(field)) {
	all := reflect.ValueOf(f).Elem()
	for i := range all.NumField() {
		typ := all.Type().Field(i).Tag.Get("dwarf")
		fields := all.Field(i)
		for j := range fields.NumField() {
			tag := fields.Type().Field(j).Tag
			visit(field{
				typ:    typ,
				paths:  strings.Split(tag.Get("dwarf"), ","),
				core:   tag.Get("need") == "core",
				offset: fields.Field(j).Addr().Interface().(*int32),
			})
		}
	}
}
