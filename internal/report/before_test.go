package report

import (
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

func TestBefore(t *testing.T) {
	for _, x := range []struct {
		q    sample.AcceptQueue
		want string
	}{
		{sample.AcceptQueue{Addr: "0.0.0.0:80", Ticks: 500, Waiting: 450, Sum: 5600, Most: 34},
			"at 90 % of 500 moments 0.0.0.0:80 had connections that nobody had accepted, 11.2 on average, 34 at most"},
		{sample.AcceptQueue{Addr: "0.0.0.0:80", Ticks: 500, Waiting: 40, Sum: 5600, Most: 34}, ""}, // bursts
		{sample.AcceptQueue{Addr: "0.0.0.0:80", Ticks: 500, Waiting: 450, Sum: 450, Most: 1}, ""},  // on its way
		{sample.AcceptQueue{}, ""},
	} {
		got := strings.Join(before([]sample.AcceptQueue{x.q}), "")
		if !strings.Contains(got, x.want) || (got == "") != (x.want == "") {
			t.Errorf("%+v: %q", x.q, got)
		}
	}
}
