//go:build amd64 || arm64

package bpf

import (
	"fmt"
	"math"
)

// maxFramed is MAX_FRAMED in oncpu.bpf.c.
const maxFramed = 4096

// Know tells where the target's code is. Before, a sample's frame pointers are believed whatever they point to.
func (s *OnCPU) Know(c Text) error {
	n := 0
	for _, f := range c.Framed {
		from, to := f.From-c.All[0], f.To-c.All[0]
		if n == maxFramed || f.From < c.All[0] || f.To < f.From || to > math.MaxUint32 {
			continue
		}
		if err := s.objects.Framed.Put(uint32(n), oncpuSpan{From: uint32(from), To: uint32(to), Delta: f.Delta}); err != nil {
			return fmt.Errorf("tell eBPF of the code: %w", err)
		}
		n++
	}
	v := oncpuCode{Text: c.All[0], Etext: c.All[1], Sigtramp: c.Sigtramp[0], SigtrampEnd: c.Sigtramp[1],
		Cgocallback: c.Cgocallback[0], CgocallbackEnd: c.Cgocallback[1], Framed: uint32(n)}
	if err := s.objects.Code.Set(v); err != nil {
		return fmt.Errorf("tell eBPF of the code: %w", err)
	}
	return nil
}
