package profiler

import "github.com/mayfly-profiler/mayfly/symbolize"

// program is one with a single function, and its goroutines' root behind it.
type program struct{}

const (
	atWork   = 0x1010
	atGoexit = 0x2001
)

func (program) Resolve(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int) {
	if pc >= 0x2000 {
		return append(dst, symbolize.Frame{Func: "runtime.goexit", Kind: symbolize.Go}), 0
	}
	return append(dst, symbolize.Frame{Func: "main.work", File: "x.go", Line: int(pc & 0xfff), Kind: symbolize.Go}), 0
}
func (program) ResolveKernel(dst []symbolize.Frame, _ uint64) ([]symbolize.Frame, int) {
	return dst, -1
}
func (program) SPDelta(uint64) (int32, bool) { return 16, true }
func (program) InGo(uint64) bool             { return true }
func (program) Entry(uint64) bool            { return false }
func (program) Mappings() []symbolize.Mapping {
	return []symbolize.Mapping{{Start: 0x1000, Limit: 0x3000, File: "/bin/x", BuildID: "abcd"}}
}
