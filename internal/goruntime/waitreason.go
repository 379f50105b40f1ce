package goruntime

import "fmt"

// WaitReason spells a value of g.waitreason the way the runtime prints it in goroutine dumps. The
// numbers differ between versions; of a version that the table does not know, and for numbers
// that the version does not have, it returns "wait reason 17". The field is meaningful only for
// goroutines that wait.
func (l *Layout) WaitReason(n uint8) string {
	if names := waitReasons[l.Minor]; int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("wait reason %d", n)
}
