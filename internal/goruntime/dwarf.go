package goruntime

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Reading DWARF must not cost an attach to a big executable its time: decompressing all of
// .debug_info of a binary of 160 MB takes 0.7 s, and walking it longer. Four facts make it cheap.
// The linker writes all types into one unit, the last of those called "runtime", in which the
// runtime's own types come early and those of global variables last (cmd/link/internal/ld/dwarf.go);
// of the structs wanted here runtime.schedt is one that only a variable has. Units stand in the
// order of imports, so that the runtime's come early too. The name of a type is stored in place and
// is the first thing in its entry, so that a search for the bytes finds it, without decoding what
// stands before it. And entries refer to others by offset, so that the rest is never looked at: the
// unit is cut off behind the last struct needed, its length corrected.
//
// Executables are hostile input: sections are read up to a bound, and the walk has no recursion,
// unlike dwarf.Data.Type, whose depth the file decides.

const (
	infoStep  = 256 << 10 // of .debug_info, decompressed: read at a time
	infoKnown = 4 << 20   // and at most, 50 ms, where the table can make up for schedt,
	infoMost  = 256 << 20 // and elsewhere
	maxOther  = 16 << 20  // of each other section
	maxHops   = 8         // typedefs in a row, structs in structs
)

// firstType and lastType are the first and the last struct that matter, as their names stand in
// the types' unit and in no other.
var firstType, lastType = []byte("runtime.g\x00"), []byte("runtime.schedt\x00")

// fromDWARF overwrites those fields whose struct has a description in f, having read at most
// limit bytes of .debug_info. On an error the fields are as before.
func (f *Fields) fromDWARF(file *elf.File, limit int) (err error) {
	// debug/dwarf is not hardened against hostile files, by its own documentation.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("dwarf: %v", p)
		}
	}()
	info := file.Section(".debug_info")
	if info == nil {
		return errors.New("dwarf: none in the file")
	}
	units := unitReader{r: info.Open(), limit: limit}
	unit, err := units.types()
	if err != nil {
		return err
	}
	d, err := newData(file, units.data)
	if err != nil {
		return err
	}
	found := *f
	if err := found.lookup(structs{d, units.data[unit:], unit, map[dwarf.Offset]*structType{}}); err != nil {
		return err
	}
	*f = found
	return nil
}

// lookup sets all fields of structs that s has.
func (f *Fields) lookup(s structs) (err error) {
	at := map[string]dwarf.Offset{}
	f.each(func(x field) {
		if _, ok := at[x.typ]; !ok {
			at[x.typ] = s.find(x.typ)
		}
		if at[x.typ] == 0 {
			return // the linker dropped the type: what the table says stands
		}
		*x.offset = None
		for _, path := range x.paths {
			if off := s.offset(at[x.typ], path); off != None {
				*x.offset = off
				break
			}
		}
	})
	f.each(func(x field) {
		if x.core && *x.offset == None && err == nil {
			err = fmt.Errorf("dwarf: %s has no %s", x.typ, x.paths[0])
		}
	})
	return err
}

func newData(file *elf.File, info []byte) (*dwarf.Data, error) {
	d, err := dwarf.New(other(file, "abbrev"), nil, nil, info, nil, nil, nil, other(file, "str"))
	if err != nil {
		return nil, fmt.Errorf("dwarf: %w", err)
	}
	for _, name := range []string{"addr", "line_str", "str_offsets"} {
		if err := d.AddSection(".debug_"+name, other(file, name)); err != nil {
			return nil, fmt.Errorf("dwarf: %w", err)
		}
	}
	return d, nil
}

// other returns the section .debug_NAME, nil when it is missing or damaged.
func other(file *elf.File, name string) []byte {
	s := file.Section(".debug_" + name)
	if s == nil {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(s.Open(), maxOther))
	if err != nil {
		return nil
	}
	return data
}

// unitReader reads .debug_info from its start.
type unitReader struct {
	r     io.Reader
	limit int
	data  []byte
}

// types reads up to and into the unit of types, cuts it off behind the types that matter, and
// returns where in data it begins.
func (u *unitReader) types() (int, error) {
	for {
		start := len(u.data)
		if err := u.read(4); err != nil {
			return 0, fmt.Errorf("dwarf: no unit has the runtime's types: %w", err)
		}
		size := int64(binary.LittleEndian.Uint32(u.data[start:])) // DWARF 4, section 7.5.1.1
		found, err := u.unit(start, int64(start)+4+size)
		if err != nil {
			return 0, fmt.Errorf("dwarf: unit at %#x of %d bytes: %w", start, size, err)
		}
		if found {
			binary.LittleEndian.PutUint32(u.data[start:], uint32(len(u.data)-start-4))
			return start, nil
		}
	}
}

// unit reads the unit from start to end and stops early when it is the one of types.
func (u *unitReader) unit(start int, end int64) (found bool, err error) {
	for searched := start; int64(len(u.data)) < end; {
		err := u.read(end - int64(len(u.data)))
		if bytes.Contains(u.data[searched:], lastType) {
			// The struct's members and what they refer to stand close by; if the unit ends here,
			// so much the better.
			u.read(end - int64(len(u.data)))
			return true, nil
		}
		if err == errLimit && bytes.Contains(u.data[start:], firstType) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		searched = max(start, len(u.data)-len(lastType))
	}
	return false, nil
}

var errLimit = errors.New("too much to read")

// read appends the next n bytes to data, a step at most.
func (u *unitReader) read(n int64) error {
	n = min(n, infoStep)
	if room := int64(u.limit - len(u.data)); n > room {
		return errLimit
	}
	start := len(u.data)
	u.data = slices.Grow(u.data, int(n))[:start+int(n)]
	got, err := io.ReadFull(u.r, u.data[start:])
	u.data = u.data[:start+got]
	return err
}

// structType is a struct as DWARF describes it.
type structType struct {
	name   string
	size   int64
	fields map[string]member
}

type member struct {
	offset int64
	typ    dwarf.Offset
}

// structs finds and reads structs in the unit of types, and remembers them.
type structs struct {
	data *dwarf.Data
	unit []byte // its bytes, as they stand at base in .debug_info
	base int
	seen map[dwarf.Offset]*structType
}

// find returns the offset of the struct of that name, or 0. What looks like a name may be the end
// of another, so only an entry that makes sense counts.
func (s structs) find(name string) dwarf.Offset {
	text := []byte(name + "\x00")
	for from := 1; from < len(s.unit); {
		i := bytes.Index(s.unit[from:], text)
		if i < 0 {
			break
		}
		at := dwarf.Offset(s.base + from + i - 1) // one byte says what kind of entry it is
		if t, err := s.read(at); err == nil && t.name == name && t.sane() {
			return at
		}
		from += i + 1
	}
	return 0
}

// sane says whether the fields lie in the struct.
func (t *structType) sane() bool {
	for _, m := range t.fields {
		if m.offset > t.size {
			return false
		}
	}
	return len(t.fields) > 0
}

// offset returns the place of the field path ("stack.lo", or "SIZE" for the struct's size) in the
// struct at the offset at, or None.
func (s structs) offset(at dwarf.Offset, path string) int32 {
	sum := int64(0)
	for _, name := range strings.SplitN(path, ".", maxHops) {
		t, err := s.read(at)
		if err != nil {
			return None
		}
		if name == "SIZE" {
			return narrow(t.size)
		}
		m, ok := t.fields[name]
		if !ok {
			return None
		}
		sum += m.offset
		at = m.typ
	}
	return narrow(sum)
}

func narrow(n int64) int32 {
	if n < 0 || n > math.MaxInt32 {
		return None
	}
	return int32(n)
}

// read reads the struct at the offset at, or the one that the typedef there stands for.
func (s structs) read(at dwarf.Offset) (*structType, error) {
	if t, ok := s.seen[at]; ok {
		return t, nil
	}
	r, start := s.data.Reader(), at
	for range maxHops {
		r.Seek(at)
		e, err := r.Next()
		if err != nil {
			return nil, err
		}
		if e == nil || e.Tag != dwarf.TagStructType && e.Tag != dwarf.TagTypedef {
			break
		}
		if e.Tag == dwarf.TagStructType {
			t, err := members(r, e)
			if err == nil {
				s.seen[start] = t
			}
			return t, err
		}
		next, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
		if !ok {
			break
		}
		at = next
	}
	return nil, errors.New("dwarf: not a struct")
}

// members reads the children of e, the entry that r has just returned.
func members(r *dwarf.Reader, e *dwarf.Entry) (*structType, error) {
	t := &structType{size: None, fields: map[string]member{}}
	t.name, _ = e.Val(dwarf.AttrName).(string)
	if size, ok := e.Val(dwarf.AttrByteSize).(int64); ok {
		t.size = size
	}
	for e.Children {
		m, err := r.Next()
		if err != nil {
			return nil, err
		}
		if m == nil || m.Tag != dwarf.TagMember {
			break
		}
		name, _ := m.Val(dwarf.AttrName).(string)
		offset, ok := m.Val(dwarf.AttrDataMemberLoc).(int64)
		typ, ok2 := m.Val(dwarf.AttrType).(dwarf.Offset)
		if ok && ok2 && offset >= 0 && offset <= math.MaxInt32 {
			t.fields[name] = member{offset, typ}
		}
	}
	return t, nil
}
