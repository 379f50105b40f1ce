package work

import (
	"bytes"
	"io"
	"math"
	"time"
)

// Lines passes on what a test binary prints, and reads the results of benchmarks in it on the way.
//
// go test prints a benchmark's name when it begins with it and the result when it has ended (testing.(*B).processBench), so
// the time between is how long its operations took, and that by the time of one is how many they were. One more
// was before the name: whether it is a benchmark at all is found out by running it once. A benchmark that loops with
// B.Loop does all of its work then.
type Lines struct {
	out   io.Writer
	now   func() time.Time
	work  Work
	line  []byte
	begun time.Time // when the first byte of the line came
	named time.Time // when the last name without a result did
	long  bool      // the line is too long to be one of results
}

// NewLines passes on to out.
func NewLines(out io.Writer) *Lines { return &Lines{out: out, now: time.Now} }

// Write passes p on first.
func (l *Lines) Write(p []byte) (int, error) {
	n, err := l.out.Write(p)
	now := l.now()
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		l.add(part, now)
		if p = rest; ended {
			l.end()
		}
	}
	return n, err
}

func (l *Lines) add(part []byte, now time.Time) {
	if len(l.line) == 0 {
		l.begun = now
	}
	if l.long = l.long || len(l.line)+len(part) > longestLine; !l.long {
		l.line = append(l.line, part...)
	}
}

// end reads a whole line. Names stand alone on it when results are printed with -v.
func (l *Lines) end() {
	line := bytes.TrimLeft(l.line, "\x16") // go test -json marks lines with it
	begun, long := l.begun, l.long
	l.line, l.long = l.line[:0], false
	if long || !bytes.HasPrefix(line, []byte("Benchmark")) {
		return
	}
	if len(bytes.Fields(line)) == 1 {
		l.named = begun
		return
	}
	if !l.named.IsZero() {
		begun = l.named
	}
	l.named = time.Time{}
	name, perOp, n, ok := l.work.result(string(line))
	if !ok {
		return
	}
	b := l.work.Benchmarks[name]
	b.Ops = min(b.Ops+operations(l.now().Sub(begun).Seconds(), perOp, float64(n)), mostOps)
	l.work.Benchmarks[name] = b
}

// operations is how many there were between a benchmark's name and its result.
func operations(took, perOp, n float64) float64 {
	if took < perOp*n/2 {
		return n
	}
	return math.Max(n, took/perOp) + 1
}

// Work is what was read so far. No Write may run meanwhile.
func (l *Lines) Work() Work { return l.work }
