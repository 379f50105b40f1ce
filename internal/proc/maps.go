package proc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Mapping is one line of /proc/PID/maps (proc_pid_maps(5)).
type Mapping struct {
	Start, End uint64 // addresses, End is exclusive
	Offset     uint64 // of Start in the file, bytes
	Exec       bool
	Dev, Inode uint64 // Dev is major<<32|minor; both 0 when no file is mapped
	Path       string // without the " (deleted)" that the kernel appends; "[vdso]", "[heap]", ... or ""
	Deleted    bool   // the file has no name any more
}

const (
	// maxMaps bounds the mappings of one process; vm.max_map_count is 65530 unless raised.
	maxMaps = 1 << 20
	// maxLine bounds one line: PATH_MAX bytes, each of which may be escaped to four.
	maxLine = 32 << 10
)

var (
	errMapsLine = errors.New("malformed line")
	errMapsMany = errors.New("more than 1048576 mappings")
)

// ParseMaps parses /proc/PID/maps. The mappings come in the order of the file. An error names
// the line.
func ParseMaps(r io.Reader) ([]Mapping, error) {
	var maps []Mapping
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 4096), maxLine)
	for sc.Scan() {
		m, err := parseMapping(sc.Bytes())
		if err == nil && len(maps) == maxMaps {
			err = errMapsMany
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(maps)+1, err)
		}
		maps = append(maps, m)
	}
	return maps, sc.Err()
}

// parseMapping parses "start-end perms offset dev inode path".
func parseMapping(line []byte) (Mapping, error) {
	var f [5][]byte
	rest := line
	for i := range f {
		f[i], rest, _ = bytes.Cut(rest, []byte(" "))
	}
	lo, hi, ok1 := bytes.Cut(f[0], []byte("-"))
	major, minor, ok2 := bytes.Cut(f[3], []byte(":"))
	if !ok1 || !ok2 || len(f[1]) != 4 {
		return Mapping{}, errMapsLine
	}
	n := numberList{}
	m := Mapping{
		Start: n.parse(lo, 16, 64), End: n.parse(hi, 16, 64), Offset: n.parse(f[2], 16, 64),
		Dev:   n.parse(major, 16, 32)<<32 | n.parse(minor, 16, 32),
		Inode: n.parse(f[4], 10, 64),
		Exec:  f[1][2] == 'x',
	}
	if n.bad || m.End < m.Start {
		return Mapping{}, errMapsLine
	}
	path := strings.TrimLeft(string(rest), " ")
	path, m.Deleted = strings.CutSuffix(path, " (deleted)")
	// The kernel escapes a newline in the path, and only that (seq_path(m, path, "\n")).
	m.Path = strings.ReplaceAll(path, `\012`, "\n")
	return m, nil
}

// numberList parses numbers and remembers whether one was wrong.
type numberList struct{ bad bool }

func (n *numberList) parse(b []byte, base, bits int) uint64 {
	v, err := strconv.ParseUint(string(b), base, bits)
	if err != nil {
		n.bad = true
	}
	return v
}
