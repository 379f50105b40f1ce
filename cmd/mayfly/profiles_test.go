package main

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"
	"github.com/rogpeppe/go-internal/testscript"
)

// simple describes a profile: KEY=VALUE words, the others are functions and their weights.
type simple struct {
	seed           uint64
	seconds        float64
	rate           float64
	kernel, module string
	funcs          []string // in order
	share          map[string]float64
	wait           float64 // ns by second in main.wait under the label endpoint=/pay
}

// profile makes a profile of a program that uses two CPUs: samples are drawn at random.
func (x simple) profile() *profile.Profile {
	rng := rand.New(rand.NewPCG(x.seed, 99))
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"},
			{Type: "blocked", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, DefaultSampleType: "cpu",
		DurationNanos: int64(x.seconds * 1e9), Comments: []string{"mayfly.kernel=" + x.kernel, "mayfly.go_version=go1.26.8"},
	}
	for _, name := range append(x.funcs, x.module+".wait") {
		f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name, SystemName: name, Filename: "main.go"}
		l := &profile.Location{ID: f.ID, Address: 0x1000 * f.ID, Line: []profile.Line{{Function: f, Line: 10}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		s := &profile.Sample{Location: []*profile.Location{l}, Label: map[string][]string{"endpoint": {"/pay"}}, Value: make([]int64, 3)}
		if name == x.module+".wait" {
			s.Value[2] = int64(x.wait * x.seconds * (1 + 0.05*rng.NormFloat64()))
		} else {
			n := x.share[name] * 2 * x.seconds * x.rate
			s.Value[0] = int64(max(0, n+1.1*math.Sqrt(n)*rng.NormFloat64()))
			s.Value[1] = int64(float64(s.Value[0]) * 1e9 / x.rate)
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

// writeProfiles FILE N [seed=S] [seconds=S] [rate=HZ] [kernel=K] [module=main] [wait=NS] FUNC=SHARE...
// writes N profiles FILE0.pb.gz, FILE1.pb.gz ...; the shares are made to add up to one.
func writeProfiles(ts *testscript.TestScript, neg bool, args []string) {
	x := simple{seed: 1, seconds: 10, rate: 999, kernel: "6.18", module: "main", share: map[string]float64{}, wait: 1e8}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	sum := 0.0
	for _, arg := range args[2:] {
		key, value, _ := strings.Cut(arg, "=")
		v, _ := strconv.ParseFloat(value, 64)
		switch key {
		case "seed":
			x.seed = uint64(v)
		case "seconds":
			x.seconds = v
		case "rate":
			x.rate = v
		case "wait":
			x.wait = v
		case "kernel":
			x.kernel = value
		case "module":
			x.module = value
		default:
			sum += v
			x.funcs, x.share[key] = append(x.funcs, key), v
		}
	}
	for i, name := range x.funcs {
		x.share[name] /= sum
		if x.module != "main" {
			x.funcs[i] = x.module + strings.TrimPrefix(name, "main")
			x.share[x.funcs[i]] = x.share[name]
		}
	}
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o755))
	for i := range n {
		f, err := os.Create(ts.MkAbs(fmt.Sprintf("%s%d.pb.gz", args[0], i)))
		ts.Check(err)
		ts.Check(x.profile().Write(f))
		ts.Check(f.Close())
		x.seed += 1000
	}
}

// bomb FILE N [M] writes some kilobytes of gzip that hold N MiB: strings of zeros, each of which claims
// to have M MiB (1).
func bomb(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	claim := 1
	if len(args) > 2 {
		claim, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	z, _ := gzip.NewWriterLevel(f, gzip.BestSpeed)
	chunk := binary.AppendUvarint([]byte{6<<3 | 2}, uint64(claim)<<20) // string_table
	chunk = append(chunk, make([]byte, 1<<20)...)
	for range n {
		_, err := z.Write(chunk)
		ts.Check(err)
	}
	ts.Check(z.Close())
	ts.Check(f.Close())
}

// truncate FILE OUT writes the first half of a file.
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	st, err := f.Stat()
	ts.Check(err)
	b := make([]byte, st.Size()/2)
	_, err = io.ReadFull(f, b)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o644))
}

// heapProfile FILE writes the heap profile of this process.
func heapProfile(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(pprof.WriteHeapProfile(f))
	ts.Check(f.Close())
}
