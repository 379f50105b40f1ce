package symbolize

import (
	"os"
	"testing"
)

// BenchmarkResolve resolves addresses of this very process, mappings included, as a recording does. One operation is one
// address that no cache holds.
func BenchmarkResolve(b *testing.B) {
	s, err := Process(os.Getpid(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	bin, bias := s.Main()
	if bin == nil {
		b.Fatal("no Go binary")
	}
	pcs := benchPCs(bin)
	var fr []Frame
	eachPC(b, pcs, func(pc uint64) { fr, _ = s.Resolve(fr[:0], pc+bias) })
}
