package pclntab

const (
	// maxString bounds names: those of generic functions reach a kilobyte.
	maxString = 4 << 10
	// maxInterned bounds the bytes of strings that are remembered, and stringCost is what one takes
	// besides its text.
	maxInterned = 1 << 20
	stringCost  = 64
)

// damaged stands for a name that begins inside another one.
const damaged = "[damaged name]"

// Name returns the name of function i. It is not remembered: callers ask for all of them.
func (t *Table) Name(i int) string {
	off, ok := t.word(t.place(i) + 4)
	if !ok {
		return ""
	}
	return t.readName(t.names, off)
}

// NameIn returns the name of function i if it begins with the prefix. Names that do not cost nothing.
func (t *Table) NameIn(i int, prefix string) (name string, ok bool) {
	off, ok := t.word(t.place(i) + 4)
	if !ok {
		return "", false
	}
	at, ok := t.names.at(uint64(off), uint64(len(prefix)))
	if !ok || string(t.p.bytes(at, len(prefix))) != prefix {
		return "", false
	}
	name = t.readName(t.names, off)
	return name, name != damaged
}

// name returns a function name. The runtime takes a name at offset 0 for none; there is one, the
// first of the table.
func (t *Table) name(off uint32) string { return t.str(t.names, off) }

// str returns the string at off in a table of them, and remembers it.
func (t *Table) str(s span, off uint32) string {
	at, ok := s.at(uint64(off), 1)
	if !ok {
		return ""
	}
	str, ok := t.strings[at]
	if !ok {
		str = t.readName(s, off)
		if t.held += stringCost + len(str); t.held > maxInterned {
			clear(t.strings)
			t.held = stringCost + len(str)
		}
		t.strings[at] = str
	}
	return str
}

// readName reads a name of a table of names. The linker writes each of them once, behind the end of the one before
// (cmd/link/internal/ld/pcln.go, generateFuncnametab). Were they to overlap, a small table could have megabytes of names.
func (t *Table) readName(s span, off uint32) string {
	at, ok := s.at(uint64(off), 1)
	if !ok {
		return ""
	}
	if off > 0 {
		if b := t.p.bytes(at-1, 1); len(b) != 1 || b[0] != 0 {
			return damaged
		}
	}
	return t.p.cstring(at, min(maxString, s.size-uint64(off)))
}
