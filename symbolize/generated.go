package symbolize

import (
	"debug/elf"
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// span is a range of addresses, limit is exclusive.
type span struct{ start, limit uint64 }

// spans do not overlap, and ascend.
type spans []span

// anonymous are the mappings with code that no file has: a program generated it, as wazero and sonic do.
func anonymous(maps []proc.Mapping) (code spans) {
	for _, m := range maps {
		if m.Exec && ofNoFile(m) {
			code = append(code, span{m.Start, m.End})
		}
	}
	return code
}

// ofNoFile says whether a mapping is anonymous memory. The kernel may have been told a name for it
// (PR_SET_VMA_ANON_NAME), and calls it /dev/zero where it is shared (shmem_zero_setup in mm/shmem.c).
func ofNoFile(m proc.Mapping) bool {
	return m.Path == "" || strings.HasPrefix(m.Path, "[anon:") || m.Path == "/dev/zero" && m.Deleted
}

// contain says whether an address lies in one of them.
func (s spans) contain(pc uint64) bool {
	_, ok := slices.BinarySearchFunc(s, pc, func(x span, pc uint64) int {
		switch {
		case x.limit <= pc:
			return -1
		case pc < x.start:
			return 1
		}
		return 0
	})
	return ok
}

// isMemfd says whether a file is memory by another name (memfd_create(2)).
func isMemfd(m proc.Mapping) bool { return strings.HasPrefix(m.Path, "/memfd:") }

// beginsWithCode says whether a memfd that may not be opened, as map_files is root's, has no ELF header where one would be.
func beginsWithCode(p *proc.Process, m proc.Mapping) bool {
	var head [len(elf.ELFMAG)]byte
	if !isMemfd(m) || m.Offset != 0 {
		return false
	}
	_, err := p.Mem().ReadAt(head[:], int64(m.Start))
	return err == nil && string(head[:]) != elf.ELFMAG
}
