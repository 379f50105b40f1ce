package goruntime

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
)

// Executables are written by anybody: the kernel runs a file whatever its section headers say, and looks at none of
// them. debug/elf believes them. It reads as many section headers as the size of the first one says
// when the file header says none, and makes a struct of each: a file of 48 KiB on disk (and 2 GiB of holes) costs 9 GB and 40
// seconds. debug/buildinfo searches segments of any length. So the claims are held against bounds before debug/elf
// sees the file, and what buildinfo may read is counted.

const (
	maxSections     = 4096     // and segments; linkers make some thirty
	maxSectionNames = 1 << 20  // bytes
	maxSymbolTable  = 64 << 20 // bytes, names as much: a Go program of 100 MB has 10 MB
	maxBuildInfo    = 16 << 20 // bytes that are read to find the build information
)

// errELF says that an ELF file claims too much.
var errELF = errors.New("damaged or hostile elf file")

// OpenELF is elf.NewFile for files that anybody may have made. It takes bounded memory and time.
func OpenELF(r io.ReaderAt) (*elf.File, error) {
	if err := checkELF(r); err != nil {
		return nil, err
	}
	return elf.NewFile(r)
}

// checkELF looks at the file header and at the section that has the names of the others (elf(5)).
func checkELF(r io.ReaderAt) error {
	var h [64]byte
	if _, err := r.ReadAt(h[:], 0); err != nil {
		return fmt.Errorf("elf header: %w", err)
	}
	if string(h[:4]) != elf.ELFMAG || elf.Class(h[4]) != elf.ELFCLASS64 || elf.Data(h[5]) != elf.ELFDATA2LSB {
		return nil // debug/elf or arch says it better, and 32 bits have no room for large claims
	}
	le := binary.LittleEndian
	sections, names := le.Uint64(h[40:]), le.Uint16(h[62:])
	phnum, shentsize, shnum := le.Uint16(h[56:]), le.Uint16(h[58:]), le.Uint16(h[60:])
	if phnum > maxSections || shnum > maxSections || sections != 0 && shnum == 0 {
		return fmt.Errorf("%w: %d segments, %d sections", errELF, phnum, shnum)
	}
	if shnum == 0 || names >= shnum {
		return nil
	}
	var s [64]byte
	at := sections + uint64(names)*uint64(shentsize)
	if at > 1<<62 {
		return fmt.Errorf("%w: section headers at %#x", errELF, sections)
	}
	if _, err := r.ReadAt(s[:], int64(at)); err != nil {
		return fmt.Errorf("elf section header: %w", err)
	}
	flags, size := elf.SectionFlag(le.Uint64(s[8:])), le.Uint64(s[32:])
	if size > maxSectionNames || flags&elf.SHF_COMPRESSED != 0 {
		return fmt.Errorf("%w: %d bytes of section names, flags %v", errELF, size, flags)
	}
	return nil
}

// symbols returns the symbol table, or an error where it is missing or larger than any that a linker makes.
func symbols(f *elf.File) ([]elf.Symbol, error) {
	for _, s := range f.Sections {
		if s.Type != elf.SHT_SYMTAB {
			continue
		}
		if s.Size > maxSymbolTable || int(s.Link) < len(f.Sections) && f.Sections[s.Link].Size > maxSymbolTable {
			return nil, fmt.Errorf("%w: a symbol table of %d bytes", errELF, s.Size)
		}
	}
	return f.Symbols()
}

// BuildInfo is buildinfo.Read for files that anybody may have made. It takes bounded memory and time, and
// sees the first 16 MiB of what it would search only. The error says that the file is no Go executable.
func BuildInfo(r io.ReaderAt) (*buildinfo.BuildInfo, error) {
	if err := checkELF(r); err != nil {
		return nil, fmt.Errorf("goruntime: %w: %w", ErrNotGo, err)
	}
	if packed(r) {
		return nil, fmt.Errorf("goruntime: %w", ErrPacked)
	}
	bi, err := buildinfo.Read(&budget{r, maxBuildInfo})
	if err != nil {
		return nil, fmt.Errorf("goruntime: %w", ErrNotGo) // buildinfo says the same in its own words
	}
	return bi, nil
}

// codeSettings are those of a build that decide what machine code the compiler makes of a source (go help build,
// go help buildconstraint).
var codeSettings = []string{"-asan", "-gcflags", "-msan", "-pgo", "-race", "-tags", "CGO_ENABLED", "GO386", "GOAMD64", "GOARCH",
	"GOARM", "GOARM64", "GOEXPERIMENT"}

const longestSetting = 1 << 10

// CodeSettings are the settings of a build that decide what machine code the compiler makes of a source, as KEY=VALUE and in
// the order of their keys. Of the profile of -pgo it is the name without the folder, which says where somebody builds.
func CodeSettings(bi *buildinfo.BuildInfo) (set []string) {
	for _, s := range bi.Settings {
		if s.Key == "-pgo" {
			s.Value = filepath.Base(s.Value)
		}
		if slices.Contains(codeSettings, s.Key) && len(s.Value) <= longestSetting {
			set = append(set, s.Key+"="+s.Value)
		}
	}
	slices.Sort(set)
	return set
}

// MainPackage is the import path of the program's package main, "" where it was built of files (go build main.go) or has none.
func MainPackage(bi *buildinfo.BuildInfo) string {
	if bi.Path == "command-line-arguments" || len(bi.Path) > longestSetting {
		return ""
	}
	return bi.Path
}

// packed says whether UPX has packed the file: its l_info stands behind the program headers, of which there
// are a few (upx, src/stub/src/include/linux.h).
func packed(r io.ReaderAt) bool {
	var head [512]byte
	n, _ := r.ReadAt(head[:], 0)
	return bytes.Contains(head[:n], []byte("UPX!"))
}

// budget is a reader of so many bytes, wherever they are.
type budget struct {
	r    io.ReaderAt
	left int
}

func (b *budget) ReadAt(p []byte, at int64) (int, error) {
	if len(p) > b.left {
		return 0, errELF
	}
	b.left -= len(p)
	return b.r.ReadAt(p, at)
}

// ErrNotGo says that a file is not a Go executable for Linux, or one of before Go 1.18.
var ErrNotGo = errors.New("not a Go executable")

// ErrPacked says that an executable was packed by UPX: it unpacks itself into memory, where no file says what
// is what.
var ErrPacked = fmt.Errorf("%w: packed by UPX (upx -d unpacks it)", ErrNotGo)

// writable says whether addr lies in a segment that the program writes to, as all variables do.
func writable(f *elf.File, addr uint64) bool {
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_W != 0 && addr >= p.Vaddr && addr-p.Vaddr < p.Memsz {
			return true
		}
	}
	return false
}
