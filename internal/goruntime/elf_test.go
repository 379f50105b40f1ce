package goruntime

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// sparse is a file that is bytes at its beginning and zeros up to size: what a file with holes is to its reader.
type sparse struct {
	head []byte
	size int64
	read int64 // bytes that were read
}

func (s *sparse) ReadAt(p []byte, at int64) (n int, err error) {
	if at >= s.size || at < 0 {
		return 0, io.EOF
	}
	n = int(min(int64(len(p)), s.size-at))
	clear(p[:n])
	if at < int64(len(s.head)) {
		copy(p[:n], s.head[at:])
	}
	if s.read += int64(n); n < len(p) {
		err = io.EOF
	}
	return n, err
}

// header is an ELF header for amd64 with section headers at 0x1000, and as many of them as the caller says.
func header(shnum, shstrndx uint16) []byte {
	b := make([]byte, 0x2000)
	copy(b, elf.ELFMAG+"\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], uint16(elf.ET_EXEC))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[40:], 0x1000)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], shnum)
	le.PutUint16(b[62:], shstrndx)
	return b
}

// bombs are files of a few kilobytes that claim gigabytes.
func bombs() map[string]*sparse {
	le := binary.LittleEndian
	count := header(0, 0) // the number of sections is the size of the first
	le.PutUint64(count[0x1000+32:], 1<<27)
	names := header(2, 1)
	le.PutUint32(names[0x1040+4:], uint32(elf.SHT_STRTAB))
	le.PutUint64(names[0x1040+32:], 8<<30)
	squeezed := header(2, 1)
	le.PutUint32(squeezed[0x1040+4:], uint32(elf.SHT_STRTAB))
	le.PutUint64(squeezed[0x1040+8:], uint64(elf.SHF_COMPRESSED))
	le.PutUint64(squeezed[0x1040+24:], 0x1800)
	le.PutUint64(squeezed[0x1040+32:], 0x100)
	le.PutUint32(squeezed[0x1800:], uint32(elf.COMPRESS_ZLIB))
	le.PutUint64(squeezed[0x1808:], 8<<30)
	segment := header(0, 0) // a writable segment to search for build information
	le.PutUint64(segment[40:], 0)
	le.PutUint64(segment[32:], 0x200)
	le.PutUint16(segment[56:], 1)
	le.PutUint32(segment[0x200:], uint32(elf.PT_LOAD))
	le.PutUint32(segment[0x204:], uint32(elf.PF_R|elf.PF_W))
	le.PutUint64(segment[0x210:], 0x400000)
	le.PutUint64(segment[0x220:], 16<<30)
	le.PutUint64(segment[0x228:], 16<<30)
	all := map[string]*sparse{}
	for name, head := range map[string][]byte{"section count": count, "section names": names, "compressed names": squeezed,
		"segment": segment} {
		all[name] = &sparse{head: head, size: 16 << 30}
	}
	return all
}

// TestBombs reads files that claim more than there is. Before their claims were checked, Read took 9 GB for the
// first of them.
func TestBombs(t *testing.T) {
	for name, b := range bombs() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(b)
		_, berr := BuildInfo(b)
		_, verr := FindVars(b, &Layout{}, func(string) (lo, hi uint64, ok bool) { return 0, 0, false })
		runtime.ReadMemStats(&after)
		if err == nil || berr == nil || verr == nil {
			t.Errorf("%s: Read %v, BuildInfo %v, FindVars %v, want errors", name, err, berr, verr)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 40<<20 || b.read > 64<<20 {
			t.Errorf("%s: %d MiB of memory, %d MiB read", name, took>>20, b.read>>20)
		}
	}
}

// TestSymbolTableBomb claims a symbol table of gigabytes in a file that is fine else.
func TestSymbolTableBomb(t *testing.T) {
	img, err := os.ReadFile(target.Compile(t, "spin", target.Build{}))
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	at, n := le.Uint64(img[40:]), int(le.Uint16(img[60:]))
	for i := range n {
		if s := img[at+64*uint64(i):]; elf.SectionType(le.Uint32(s[4:])) == elf.SHT_SYMTAB {
			le.PutUint64(s[32:], 24<<26)
		}
	}
	f, err := OpenELF(&sparse{head: img, size: 16 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := symbols(f); err == nil {
		t.Error("a symbol table of 1.5 GiB is read")
	}
	if f, err = OpenELF(bytes.NewReader(img[:len(img)/2])); err == nil {
		symbols(f)
	}
}

// What UPX has packed is told from what is no Go program.
func TestPacked(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(b)); errors.Is(err, ErrPacked) {
		t.Error("this test is not packed")
	}
	copy(b[0xec:], "UPX!") // where UPX 4 has it
	if _, err := Read(bytes.NewReader(b)); !errors.Is(err, ErrPacked) || !errors.Is(err, ErrNotGo) {
		t.Errorf("error %v", err)
	}
}

// A program that was built of files has no import path.
func TestMainPackage(t *testing.T) {
	for path, want := range map[string]string{"example.com/x/cmd/y": "example.com/x/cmd/y", "command-line-arguments": "",
		strings.Repeat("x", longestSetting+1): ""} {
		if got := MainPackage(&buildinfo.BuildInfo{Path: path}); got != want {
			t.Errorf("%.40s: %q", path, got)
		}
	}
}

// The folder that a profile of -pgo lies in is nobody's business, and flags of the linker can hold secrets.
func TestCodeSettings(t *testing.T) {
	bi := &buildinfo.BuildInfo{Settings: []debug.BuildSetting{
		{Key: "-pgo", Value: "/home/someone/default.pgo"}, {Key: "-ldflags", Value: "-X main.token=secret"}, {Key: "GOAMD64", Value: "v1"},
		{Key: "-gcflags", Value: strings.Repeat("x", longestSetting+1)}, {Key: "-race", Value: "true"},
	}}
	want := []string{"-pgo=default.pgo", "-race=true", "GOAMD64=v1"}
	if got := CodeSettings(bi); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
