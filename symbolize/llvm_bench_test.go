package symbolize

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"testing"
)

// BenchmarkLLVM resolves the addresses of BenchmarkLookup with llvm-symbolizer, where it is
// installed: frames inlined at the address and its line, from DWARF. Addresses are written ahead of
// the answers, so that no time goes to waiting for the pipe, and what it reads at the first address
// is not counted. It keeps what it has found: -benchtime 10000x asks for each address once.
func BenchmarkLLVM(b *testing.B) {
	tool, err := exec.LookPath("llvm-symbolizer")
	if err != nil {
		b.Skip(err)
	}
	path := benchBinary(b)
	pcs := benchPCs(openGoFile(b, path))
	cmd := exec.Command(tool, "--obj="+path, "--inlines")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	answers := bufio.NewReaderSize(out, 1<<16)
	askAll(in, pcs, 1)
	skipAnswers(b, answers, 1)
	b.ResetTimer()
	go askAll(in, pcs, b.N)
	skipAnswers(b, answers, b.N)
	b.StopTimer()
	in.Close()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}

// askAll writes n addresses, one a line. An error shows as answers that do not come.
func askAll(to io.Writer, pcs []uint64, n int) {
	w := bufio.NewWriterSize(to, 1<<16)
	defer w.Flush()
	for i := range n {
		fmt.Fprintf(w, "%#x\n", pcs[i%len(pcs)])
	}
}

// skipAnswers reads n answers; each ends with an empty line.
func skipAnswers(b *testing.B, r *bufio.Reader, n int) {
	for n > 0 {
		line, err := r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if len(line) == 1 {
			n--
		}
	}
}
