package goruntime

// Refs disassembles text for the fuzz test and returns the number of uses found.
func Refs(text []byte, pc uint64, arm64 bool) int {
	if arm64 {
		return len(refsARM64(text, pc))
	}
	return len(refsAMD64(text, pc))
}
