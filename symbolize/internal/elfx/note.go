package elfx

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	maxNote   = 64 << 10
	maxIDSize = 64 // bytes of a GNU build ID; the linkers write 16 to 32
)

// BuildID identifies the content of the file: the GNU build ID in hex; without one, the first 20
// bytes, in hex, of the SHA-256 of Go's build ID, which looks like a GNU one and fits where
// those go; without that too, "". Go links have a GNU build ID from 1.24 on, and
// -ldflags=-buildid= removes both.
func (f *File) BuildID() string {
	if id := f.note("GNU\x00", 3); len(id) > 0 && len(id) <= maxIDSize {
		return hex.EncodeToString(id)
	}
	if id := f.note("Go\x00\x00", 4); len(id) > 0 {
		sum := sha256.Sum256(id)
		return hex.EncodeToString(sum[:20])
	}
	return ""
}

// HasGoNote reports whether the file carries Go's build ID note.
func (f *File) HasGoNote() bool { return f.note("Go\x00\x00", 4) != nil }

// note returns the content of the first note of that owner and type, or nil.
func (f *File) note(owner string, kind uint32) []byte {
	for _, s := range f.notes {
		if d := findNote(f.Bytes(s.Off, min(s.Filesz, maxNote)), owner, kind); d != nil {
			return d
		}
	}
	for _, s := range f.Sections {
		if s.Type != shtNote {
			continue
		}
		if d := findNote(f.Bytes(s.Off, min(s.Size, maxNote)), owner, kind); d != nil {
			return d
		}
	}
	return nil
}

// findNote walks notes: name size, description size, type, then both padded to 4 bytes. Notes
// that are aligned to 8 (.note.gnu.property) only differ in their end, which we skip alike.
func findNote(b []byte, owner string, kind uint32) []byte {
	for len(b) >= 12 {
		name, desc, typ := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:])), le.Uint32(b[8:])
		b = b[12:]
		at := (name + 3) &^ 3
		end := at + (desc+3)&^3
		if at+desc > uint64(len(b)) {
			return nil
		}
		if typ == kind && string(b[:name]) == owner {
			return b[at : at+desc]
		}
		b = b[min(end, uint64(len(b))):]
	}
	return nil
}
