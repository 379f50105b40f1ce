package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// healthySuffix ends the name of the recording of a time in which the objective was met.
const healthySuffix = "-healthy.pb.gz"

// ofBreach is the name of a file that watch writes; its first group is what the files of one breach have in common.
var ofBreach = regexp.MustCompile(`^(breach-\d{8}T\d{6}\.\d{3}Z-\d+)(?:\.pb\.gz|\.md|\.json|\.trace|-healthy\.pb\.gz)$`)

// diskLimit is a flag: how much a folder may hold, as a number of breaches or in bytes.
type diskLimit struct {
	breaches int   // 0: no limit
	bytes    int64 // the same
}

// Type is the word that the help text shows for the value.
func (d *diskLimit) Type() string { return "limit" }

func (d *diskLimit) String() string {
	if d.bytes > 0 {
		return fmt.Sprintf("%dMiB", d.bytes>>20)
	}
	return strconv.Itoa(d.breaches)
}

// Set parses s.
func (d *diskLimit) Set(s string) error {
	number, unit := strings.TrimSpace(s), 0
	for suffix, bits := range map[string]int{"MiB": 20, "GiB": 30} {
		if n, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = n, bits
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return fmt.Errorf("%q is neither a number of breaches nor a size as 500MiB or 2GiB", s)
	}
	if *d = (diskLimit{breaches: int(n)}); unit > 0 {
		*d = diskLimit{bytes: n << unit}
	}
	return nil
}

// store is a folder that is kept within a limit.
type store struct {
	dir   string
	limit diskLimit
	files *regexp.Regexp // names of its files, nil is ofBreach; the first group is what those have in common that are removed together
	held  storeHeld
}

// storeHeld is what is in the folder. To read that for each file that comes costs more than all else where there are thousands: it is
// counted, and read again when the limit seems to be reached and nothing is left of what was read to be removed next.
type storeHeld struct {
	known  bool
	stems  int
	bytes  int64
	oldest []stored // never the newest
}

const mostOldest = 1000 // that are remembered

// stored is files that are removed together.
type stored struct {
	stem  string
	names []string
	bytes int64
}

// openStore makes the folder of a command if it is not there, for its owner only, and finds out whether files can be written to it.
func openStore(e *env, command, dir string) (*store, error) {
	if dir == "" {
		return nil, usagef("%s: the name of the folder is empty", command)
	}
	folder, err := makeFolder(e, filepath.Clean(dir))
	if err != nil {
		return nil, writeError(dir, err)
	}
	folder.Close()
	return &store{dir: dir}, checkOutput(e, filepath.Join(dir, "."+command))
}

// stem is what the files of a breach have in common: of several processes more than one may have one in the same millisecond.
func (s *store) stem(at time.Time, pid int) string {
	return filepath.Join(s.dir, stemOf("breach", at, pid))
}

func stemOf(kind string, at time.Time, pid int) string {
	return fmt.Sprintf("%s-%s-%d", kind, at.UTC().Format("20060102T150405.000Z"), pid)
}

// prune removes the oldest breaches, also those of watches before, or whatever else its files are, until the folder is within its
// limit: what fills a disk harms more than the target. The newest stays. It touches nothing but files with the names that mayfly gives,
// and where everybody may make files such as these nothing but our own: those of others count for nothing either, or they would choose
// which of ours go.
func (s *store) prune(e *env) error {
	s.held.known = false
	return s.fit(e)
}

// added is prune for who has written nothing since but a file of that size, the only one of its stem.
func (s *store) added(e *env, size int64) error {
	s.held.stems++
	s.held.bytes += size
	return s.fit(e)
}

func (s *store) fit(e *env) error {
	h := &s.held
	for fresh := false; !h.known || s.limit.exceeded(h.stems, h.bytes); {
		switch {
		case h.known && len(h.oldest) > 0:
			oldest := h.oldest[0]
			if err := s.remove(e, oldest.names); err != nil {
				return err
			}
			e.detail("%s removed: --disk-limit keeps %s", filepath.Join(s.dir, oldest.stem), &s.limit)
			h.stems, h.bytes, h.oldest = h.stems-1, h.bytes-oldest.bytes, h.oldest[1:]
			fresh = false
		case fresh:
			return nil // nothing but the newest
		default:
			if err := s.recount(e); err != nil {
				return err
			}
			fresh = true
		}
	}
	return nil
}

// remove removes files of the folder that may be gone by now.
func (s *store) remove(e *env, names []string) error {
	root, err := openFolder(e, s.dir)
	if err != nil {
		return writeError(s.dir, err)
	}
	defer root.Close()
	for _, name := range names {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return writeError(filepath.Join(s.dir, name), err)
		}
	}
	return nil
}

// recount reads the folder.
func (s *store) recount(e *env) error {
	root, err := openFolder(e, s.dir)
	if err != nil {
		return writeError(s.dir, err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".") // sorted by name, which is by time
	if err != nil {
		return writeError(s.dir, err)
	}
	shared := everybodys(s.dir)
	h := storeHeld{known: true}
	for _, entry := range entries {
		m := cmp.Or(s.files, ofBreach).FindStringSubmatch(entry.Name())
		info, err := entry.Info()
		if m == nil || err != nil || !info.Mode().IsRegular() || shared && !ours(e, info) {
			continue
		}
		h.add(m[1], info)
	}
	h.oldest = slices.Clone(h.oldest[:min(max(len(h.oldest)-1, 0), mostOldest)])
	s.held = h
	return nil
}

func (h *storeHeld) add(stem string, info fs.FileInfo) {
	if n := len(h.oldest); n == 0 || h.oldest[n-1].stem != stem {
		h.oldest = append(h.oldest, stored{stem: stem})
		h.stems++
	}
	last := &h.oldest[len(h.oldest)-1]
	last.names = append(last.names, info.Name())
	last.bytes += info.Size()
	h.bytes += info.Size()
}

func (d *diskLimit) exceeded(breaches int, bytes int64) bool {
	return d.breaches > 0 && breaches > d.breaches || d.bytes > 0 && bytes > d.bytes
}
