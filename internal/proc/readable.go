package proc

import "fmt"

// Readable reads a few bytes of the process's code: whether this process may read that one's memory. The error names the remedy.
func (p *Process) Readable() error {
	maps, err := p.Maps()
	if err != nil {
		return err
	}
	for _, m := range maps {
		if m.Exec && m.Path != "" && m.Inode != 0 {
			_, err := p.Mem().ReadAt(make([]byte, 8), int64(m.Start))
			return err
		}
	}
	return fmt.Errorf("process %d has no executable mapping", p.PID())
}
