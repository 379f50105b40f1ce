//go:build amd64 || arm64

package bpf

import "fmt"

const (
	checkSamples = 20      // samples in Go code before the layout is judged
	checkEnough  = 1000    // samples after which it is believed
	maxGoid      = 1 << 48 // more goroutines than any process can have created
)

// selfCheck holds the layout against what the registers say. In Go code the register that the ABI
// reserves for g must equal the g found by thread-local storage (in C code it holds anything), and
// goroutine ids are small numbers. A wrong layout would give wrong labels without any other sign.
type selfCheck struct {
	inGo        func(pc uint64) bool
	equal, seen int
	badGoid     int
}

func (c *selfCheck) look(h *header, pc uint64) {
	if c.inGo == nil || c.seen >= checkEnough || h.has(oncpuRecordFlagsFROM_KERNEL) || h.G == 0 || !c.inGo(pc) {
		return
	}
	c.seen++
	if h.G == h.Greg {
		c.equal++
	}
	if h.has(oncpuRecordFlagsHAS_CURG) && (h.Goid == 0 || h.Goid >= maxGoid) {
		c.badGoid++
	}
}

// verdict is empty while there is no reason to doubt. A few samples may fall between two
// instructions that switch g.
func (c *selfCheck) verdict() string {
	switch {
	case c.seen < checkSamples:
		return ""
	case c.equal*10 < c.seen*9:
		return fmt.Sprintf("g from thread-local storage equals the g register in %d of %d samples only", c.equal, c.seen)
	case c.badGoid*10 > c.seen:
		return fmt.Sprintf("%d of %d goroutine ids are impossible", c.badGoid, c.seen)
	}
	return ""
}
