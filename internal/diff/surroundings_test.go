package diff

import (
	"strings"
	"testing"
)

// What surrounds a program and makes the same code faster is said, or keeps profiles from being compared.
func TestSurroundings(t *testing.T) {
	const avx = "adx aes avx avx2 bmi1 bmi2 erms fma popcnt sha_ni sse4_2"
	base := []string{"mayfly.kernel=6.1", "mayfly.cpu_model=EPYC", "mayfly.cpu_features=" + avx, "mayfly.cpu_governor=performance",
		"mayfly.gomaxprocs=2", "mayfly.cpus=2", "mayfly.cpu_quota=0.0000", "mayfly.settings=GOGC=100"}
	for _, tt := range []struct {
		old, new string // of a comment
		reason   string
		remark   string
		anyHost  bool
	}{
		{"", "", "", "", false},
		{"=EPYC", "=Xeon", "on different CPUs: EPYC and Xeon", "", false},
		{"=EPYC", "=Xeon", "", "on different CPUs", true},
		{" sha_ni", "", "different features: sha_ni and none more than the other", "", false},
		{"GOGC=100", "GOGC=100; GODEBUG=cpu.sha=off,http2debug=1", "switched off by GODEBUG on one side: none and cpu.sha=off", "", false},
		{"GOGC=100", "GOGC=100; GODEBUG=http2debug=1", "", "another GODEBUG: none and http2debug=1", false},
		{"GOGC=100", "GOGC=50", "", "another GOGC: 100 and 50", false},
		{"GOGC=100", "", "", "another GOGC: 100 and none", false},
		{"gomaxprocs=2", "gomaxprocs=4", "", "another GOMAXPROCS: 2 and 4", false},
		{"quota=0.0000", "quota=0.5000", "", "another CPU limit", false},
		{"=performance", "=powersave", "", "another governor", false},
	} {
		a, b := bench(1e6, 1e6), bench(1e6, 1e6)
		a.Comments = base
		b.Comments = strings.Split(strings.Replace(strings.Join(base, "\n"), tt.old, tt.new, 1), "\n")
		r, err := Compare([]*Profile{Reduce(a, "a", Options{})}, []*Profile{Reduce(b, "b", Options{})}, Options{AnyHost: tt.anyHost})
		if err != nil {
			t.Fatal(err)
		}
		reasons, remarks := strings.Join(r.Reasons, "; "), strings.Join(r.Differences, "; ")
		if !strings.Contains(reasons, tt.reason) || (tt.reason == "") != (reasons == "") || r.OtherHost != (tt.reason != "") {
			t.Errorf("%s -> %s: reasons %q", tt.old, tt.new, reasons)
		}
		if !strings.Contains(remarks, tt.remark) || (tt.remark == "") != (remarks == "") {
			t.Errorf("%s -> %s: differences %q", tt.old, tt.new, remarks)
		}
	}
}
