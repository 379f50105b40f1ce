package symbolize

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// A process that generates code can name it in /tmp/perf-PID.map, one line a function: "START SIZE name", both
// numbers in hex (tools/perf/Documentation/jit-interface.txt). The file is hostile input like all that the process writes.
const (
	maxPerfMap  = 16 << 20 // bytes that are read of it
	maxPerfLine = 4096     // bytes of a line; longer ones are skipped
	maxPerfFuns = 1 << 20
	// maxOverlaps bounds the search among functions that lie over each other: further ones have no names.
	maxOverlaps = 64
	// perfShare bounds the time that reading a map which keeps growing takes, to 1/perfShare of all.
	perfShare = 20
)

// generated is a function of a perf map.
type generated struct {
	span
	order int    // of its line
	reach uint64 // largest limit of all up to this one, by address
	name  string
}

// perfMap is what the process has said of its generated code so far.
type perfMap struct {
	open func() (*os.File, error)

	funs []generated // ascending by start
	seen os.FileInfo // of the file when it was read
	next time.Time   // when it may be looked at again
}

// frame names an address in generated code. What has no name makes the map be read again, if it has changed.
func (m *perfMap) frame(pc uint64, clock func() time.Time, w *warnings) Frame {
	name, ok := m.lookup(pc)
	if now := clock(); !ok && !now.Before(m.next) {
		m.read(w)
		m.next = now.Add(max(refreshEvery, perfShare*clock().Sub(now)))
		name, ok = m.lookup(pc)
	}
	if !ok {
		name = "[jit]"
	}
	return Frame{Func: name, Kind: JIT}
}

func (m *perfMap) read(w *warnings) {
	f, err := m.open()
	if err != nil {
		return // most programs have none
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || m.seen != nil && os.SameFile(info, m.seen) && info.Size() == m.seen.Size() {
		return
	}
	m.seen = info
	m.funs = parsePerfMap(f)
	if info.Size() > maxPerfMap {
		w.add("%s: %d bytes: the names behind the first %d are left out", f.Name(), info.Size(), maxPerfMap)
	}
}

// parsePerfMap reads the functions of a map. Lines that are none are skipped: the last one may be half written.
func parsePerfMap(r io.Reader) []generated {
	var funs []generated
	in := bufio.NewReaderSize(io.LimitReader(r, maxPerfMap), maxPerfLine)
	for len(funs) < maxPerfFuns {
		line, err := in.ReadSlice('\n')
		whole := err == nil
		for err == bufio.ErrBufferFull {
			_, err = in.ReadSlice('\n')
		}
		if f, ok := parsePerfLine(line); ok && whole {
			f.order = len(funs)
			funs = append(funs, f)
		}
		if err != nil {
			break
		}
	}
	slices.SortStableFunc(funs, func(a, b generated) int { return cmp.Compare(a.start, b.start) })
	reach := uint64(0)
	for i := range funs {
		reach = max(reach, funs[i].limit)
		funs[i].reach = reach
	}
	return funs
}

func parsePerfLine(line []byte) (f generated, ok bool) {
	start, rest, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
	size, name, _ := bytes.Cut(rest, []byte(" "))
	lo, err := strconv.ParseUint(strings.TrimPrefix(string(start), "0x"), 16, 64)
	n, err2 := strconv.ParseUint(strings.TrimPrefix(string(size), "0x"), 16, 64)
	if err != nil || err2 != nil || n == 0 || lo+n < lo || lo+n > kernelHalf {
		return f, false
	}
	f.name = strings.ToValidUTF8(string(bytes.TrimSpace(name)), "\uFFFD")
	f.span = span{lo, lo + n}
	return f, f.name != ""
}

// lookup returns the name of the last line that covers an address: memory is used again for other code.
func (m *perfMap) lookup(pc uint64) (name string, ok bool) {
	i := sort.Search(len(m.funs), func(i int) bool { return m.funs[i].start > pc })
	latest := -1
	for n := 0; i > 0 && m.funs[i-1].reach > pc; n++ {
		if n == maxOverlaps {
			return "", false
		}
		i--
		if f := &m.funs[i]; f.limit > pc && f.order > latest {
			latest, name = f.order, f.name
		}
	}
	return name, latest >= 0
}
