package goruntime_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

func open(t *testing.T, b target.Build) *os.File {
	t.Helper()
	f, err := os.Open(target.Compile(t, "labels", b))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func read(t *testing.T, b target.Build) *goruntime.Layout {
	t.Helper()
	l, err := goruntime.Read(open(t, b))
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return l
}

// The table says what DWARF says, for every release and architecture, and a stripped executable
// reads like its twin.
func TestTableIsDWARF(t *testing.T) {
	for _, release := range target.Releases(t) {
		for _, arch := range []string{"amd64", "arm64"} {
			b := target.Build{Go: release, GOARCH: arch}
			t.Run(b.String(), func(t *testing.T) {
				dwarf, err := goruntime.ReadDWARF(open(t, b))
				if err != nil {
					t.Fatal(err)
				}
				b.Strip = true
				table := read(t, b)
				if dwarf.From != goruntime.FromDWARF || table.From != goruntime.FromTable || table.Doubt != "" {
					t.Errorf("from %q and %q, doubt %q", dwarf.From, table.From, table.Doubt)
				}
				compare(t, dwarf, table)
			})
		}
	}
}

// compare ignores structs of which the executable's DWARF knows nothing.
func compare(t *testing.T, dwarf, table *goruntime.Layout) {
	t.Helper()
	names, want := table.Rows()
	_, got := dwarf.Rows()
	seen := 0
	for i, name := range names {
		typ := name[:strings.LastIndex(name, "/")+1+strings.Index(name[strings.LastIndex(name, "/")+1:], ".")+2]
		if got[i] != want[i] && (got[i] != goruntime.None || hasType(names, got, typ)) {
			t.Errorf("%s: dwarf says %d, the table %d", name, got[i], want[i])
		}
		if got[i] != goruntime.None {
			seen++
		}
	}
	if seen < 30 {
		t.Errorf("only %d fields found in DWARF", seen)
	}
	if dwarf.Version != table.Version || dwarf.Labels != table.Labels || dwarf.Arch != table.Arch {
		t.Errorf("%+v\n%+v", dwarf, table)
	}
}

func hasType(names []string, offsets []int32, prefix string) bool {
	for i, name := range names {
		if strings.HasPrefix(name, prefix) && offsets[i] != goruntime.None {
			return true
		}
	}
	return false
}

// A few values of each version from the sources, so that table and DWARF are not wrong together.
func TestKnownOffsets(t *testing.T) {
	for _, release := range target.Releases(t) {
		l := read(t, target.Build{Go: release, GOARCH: "amd64", Strip: true})
		want := map[int][3]int32{ // goid, labels, curg
			19: {152, 360, 192}, 20: {152, 360, 192}, 21: {152, 344, 192}, 22: {152, 344, 192},
			23: {160, 352, 192}, 24: {160, 352, 192}, 25: {152, 344, 184}, 26: {152, 352, 184}, 27: {152, 352, 184},
		}[l.Minor]
		if got := [3]int32{l.G.Goid, l.G.Labels, l.M.Curg}; got != want {
			t.Errorf("%s: goid, labels, curg at %v, want %v", l.Version, got, want)
		}
		if l.G.M != 48 || l.G.SchedPC != 64 || l.M.G0 != 0 || l.Sched.GoidGen != 0 {
			t.Errorf("%s: %+v %+v", l.Version, l.G, l.M)
		}
		if (l.Labels == goruntime.LabelsMap) != (l.Minor < 24) || (l.G.SyscallBP == goruntime.None) != (l.Minor < 23) {
			t.Errorf("%s: labels %d, syscallbp %d", l.Version, l.Labels, l.G.SyscallBP)
		}
		if l.WaitReason(2) != "IO wait" || l.WaitReason(255) != "wait reason 255" {
			t.Errorf("%s: wait reasons %q, %q", l.Version, l.WaitReason(2), l.WaitReason(255))
		}
	}
}

func TestTLS(t *testing.T) {
	for _, release := range target.Releases(t) {
		for _, pie := range []bool{false, true} {
			b := target.Build{Go: release, PIE: pie, GOARCH: "amd64"}
			t.Run(b.String(), func(t *testing.T) { testTLS(t, b) })
		}
	}
}

func testTLS(t *testing.T, b target.Build) {
	for _, strip := range []bool{false, true} {
		b.Strip = strip
		if l := read(t, b); l.TLS != -8 || l.TLSFrom != goruntime.TLSOnly {
			t.Errorf("%s: %d from %q, want -8 from the only word", b, l.TLS, l.TLSFrom)
		}
	}
	b.CGO, b.Strip = true, false
	symbol := read(t, b)
	b.Strip = true
	code := read(t, b)
	if symbol.TLSFrom != goruntime.TLSSymbol || code.TLSFrom != goruntime.TLSCode {
		t.Errorf("%s: from %q and stripped from %q", b, symbol.TLSFrom, code.TLSFrom)
	}
	// The program's C part has thread-local variables on both sides of Go's word.
	if symbol.TLS != code.TLS || symbol.TLS > -16 {
		t.Errorf("%s: %d by the symbol, %d by the code", b, symbol.TLS, code.TLS)
	}
}

// renamed is an executable whose build information tells another version.
type renamed struct {
	io.ReaderAt
	old, new []byte
}

func (r renamed) ReadAt(p []byte, off int64) (int, error) {
	// Look a bit around p, so that a name across its ends is found as well.
	n := int64(len(r.old))
	before := min(off, n)
	buf := make([]byte, int64(len(p))+before+n)
	got, err := r.ReaderAt.ReadAt(buf, off-before)
	buf = bytes.ReplaceAll(buf[:got], r.old, r.new)
	if copied := copy(p, buf[min(before, int64(got)):]); copied < len(p) {
		return copied, err
	}
	return len(p), nil
}

// counted counts the bytes that are read.
type counted struct {
	io.ReaderAt
	n int
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	c.n += len(p)
	return c.ReaderAt.ReadAt(p, at)
}

// A patch release that the table was not made from is taken as the table has its minor release, and DWARF is not read for it.
func TestReadTable(t *testing.T) {
	plain := read(t, target.Build{})
	patch := plain.Version[:7] + strings.Repeat("9", len(plain.Version)-7)
	rename := func(version string) *counted {
		return &counted{ReaderAt: renamed{open(t, target.Build{}), []byte(plain.Version), []byte(version)}}
	}
	file := rename(patch)
	l, err := goruntime.ReadTable(file)
	if err != nil || l.From != goruntime.FromTable || l.Labels != plain.Labels {
		t.Errorf("%s: %+v, %v", patch, l, err)
	}
	if file.n > 1<<20 {
		t.Errorf("%d bytes were read", file.n)
	}
	var unknown *goruntime.UnknownVersionError
	if _, err := goruntime.ReadTable(rename(plain.Version[:4] + "99" + plain.Version[6:])); !errors.As(err, &unknown) {
		t.Errorf("a minor release of the future: %v", err)
	}
}

func TestUnknownVersion(t *testing.T) {
	plain := read(t, target.Build{})
	rename := func(b target.Build, version string) (*goruntime.Layout, error) {
		return goruntime.Read(renamed{open(t, b), []byte(plain.Version), []byte(version)})
	}
	future := plain.Version[:4] + "99" + plain.Version[6:]
	l, err := rename(target.Build{}, future)
	if err != nil || l.From != goruntime.FromDWARF || l.Version != future || l.G != plain.G {
		t.Errorf("with DWARF: %+v, %v", l, err)
	}
	var unknown *goruntime.UnknownVersionError
	_, err = rename(target.Build{Strip: true}, future)
	if !errors.As(err, &unknown) || unknown.Version != future || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without DWARF: %v", err)
	}
	file := renamed{open(t, target.Build{Strip: true}), []byte(plain.Version), []byte(future)}
	if l, err = goruntime.ReadCode(file, symbolize.FindFunc(file)); err != nil || l.From != goruntime.FromCode ||
		l.G != plain.G || l.M != plain.M {
		t.Errorf("by the code: %+v, %v", l, err)
	}
	// A patch release that the table was not made from.
	patch := plain.Version[:7] + strings.Repeat("9", len(plain.Version)-7)
	if l, err := rename(target.Build{}, patch); err != nil || l.From != goruntime.FromDWARF || l.Fields != plain.Fields {
		t.Errorf("%s: %+v, %v", patch, l, err)
	}
	if l, err := rename(target.Build{Strip: true}, patch); err != nil || l.From != goruntime.FromTable || l.Doubt != "" {
		t.Errorf("%s stripped: %+v, %v", patch, l, err)
	}
	pre := plain.Version[:len(plain.Version)-2] + "rc"
	if l, err := rename(target.Build{Strip: true}, pre); err != nil || !strings.Contains(l.Doubt, "not a release") {
		t.Errorf("%s: %+v, %v", pre, l, err)
	}
}

func TestNotGo(t *testing.T) {
	header := make([]byte, 64) // of an ELF file without anything else in it
	copy(header, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(header[16:], 2)
	binary.LittleEndian.PutUint16(header[18:], 62)
	binary.LittleEndian.PutUint32(header[20:], 1)
	for _, file := range []string{"", "hello", string(header)} {
		if l, err := goruntime.Read(strings.NewReader(file)); !errors.Is(err, goruntime.ErrNotGo) {
			t.Errorf("Read(%q) = %v, %v", file, l, err)
		}
	}
}

// FuzzRead feeds damaged executables: whatever Read says, it must say it soon and without a panic.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"), uint32(0))
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		f.Skip(err)
	}
	defer exe.Close()
	head := make([]byte, 4096)
	io.ReadFull(exe, head)
	f.Add(head, uint32(0))
	for _, at := range []uint32{32, 40, 52, 56, 60, 62} { // tables of segments and sections: where, and how many
		f.Add([]byte{0xff, 0xff}, at)
		f.Add([]byte{0, 0}, at)
	}
	f.Fuzz(func(t *testing.T, patch []byte, at uint32) {
		cost.Limit{Bytes: 512 << 20, Time: 20 * time.Second}.Hold(t, func() {
			l, err := goruntime.Read(cost.Patched{ReaderAt: exe, Patch: patch, At: int64(at)})
			if (l == nil) == (err == nil) {
				t.Errorf("%v, %v", l, err)
			}
		})
	})
}
