package target

import (
	"fmt"
	"os"
	"strings"
)

// Ended says whether a process has ended, also one of whose end its parent has not taken note.
func Ended(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	return err != nil || strings.HasPrefix(rest, "Z")
}
