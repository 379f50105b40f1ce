package goruntime_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// Where switches are found the kernel emulates the instruction, of every release and on both architectures: a branch, as it is
// in the runtime's sources, or the stack check's.
func TestFindSwitches(t *testing.T) {
	for _, release := range target.Releases(t) {
		for _, b := range []target.Build{{GOARCH: "amd64"}, {GOARCH: "amd64", PIE: true, Strip: true}, {GOARCH: "arm64"}} {
			b.Go = release
			t.Run(b.String(), func(t *testing.T) {
				image, err := os.ReadFile(target.Compile(t, "labels", b))
				if err != nil {
					t.Fatal(err)
				}
				bin, err := symbolize.OpenGo(bytes.NewReader(image))
				if err != nil {
					t.Fatal(err)
				}
				s, err := goruntime.FindSwitches(bytes.NewReader(image), bin.Func)
				if err != nil {
					t.Fatal(err)
				}
				for name, at := range map[string]uint64{"gogo": s.Gogo, "mcall": s.Mcall, "schedule": s.Schedule, "set labels": s.SetLabels} {
					if at == 0 || !branches(image[at:], b.GOARCH) {
						t.Errorf("%s: no branch at %#x: % x", name, at, image[at:at+6])
					}
				}
				if n := s.Again - s.Schedule; n < 2 || n > 6 {
					t.Errorf("schedule begins at %#x, and then comes %#x", s.Schedule, s.Again)
				}
			})
		}
	}
}

// branches says whether code begins with JMP, JNE or JBE, B, B.NE or B.LS.
func branches(code []byte, arch string) bool {
	if arch == "arm64" {
		w := binary.LittleEndian.Uint32(code)
		return w>>26 == 5 || w&0xff00001f == 0x54000009 || w&0xff00001f == 0x54000001
	}
	return code[0] == 0xe9 || code[0] == 0xeb || code[0] == 0x76 || code[0] == 0x75 || code[0] == 0x0f && code[1] == 0x86
}

// A program without labels has no place where they are set, and that is no error.
func TestFindSwitchesWithoutLabels(t *testing.T) {
	f, err := os.Open(target.Compile(t, "spin", target.Build{}))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	bin, err := symbolize.OpenGo(f)
	if err != nil {
		t.Fatal(err)
	}
	without := func(name string) (lo, hi uint64, ok bool) {
		if name == "runtime/pprof.runtime_setProfLabel" {
			return 0, 0, false
		}
		return bin.Func(name)
	}
	if s, err := goruntime.FindSwitches(f, without); err != nil || s.SetLabels != 0 || s.Gogo == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := goruntime.FindSwitches(f, func(string) (lo, hi uint64, ok bool) { return 0, 0, false }); err == nil {
		t.Error("found without functions")
	}
}
