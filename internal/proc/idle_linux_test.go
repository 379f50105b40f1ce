package proc

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const statText = `cpu  100 0 100 3000 200 0 0 0 0 0
cpu0 50 0 50 1000 50 0 0 0 0 0
cpu1 25 0 25 1500 150 0 0 0 0 0
cpu10 25 0 25 500 0 0 0 0 0 0
intr 12345 0 0
`

func TestIdleTime(t *testing.T) {
	for _, tt := range []struct {
		text string
		cpus []int
		want time.Duration
	}{
		{statText, []int{0}, 10500 * time.Millisecond},
		{statText, []int{1, 10}, 21500 * time.Millisecond},
		{statText, []int{0, 2}, -1},
		{statText, nil, 0},
		{"cpu0 1 2 3 four 5\n", []int{0}, -1},
		{"cpu0 1 2 3\n", []int{0}, -1},
	} {
		if got, err := idleTime([]byte(tt.text), tt.cpus); got != max(tt.want, 0) && err == nil || (err != nil) != (tt.want < 0) {
			t.Errorf("CPUs %v: %v, %v; want %v", tt.cpus, got, err, tt.want)
		}
	}
}

// No CPU is idle for longer than time passes.
func TestIdleTimeLive(t *testing.T) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	cpus := OwnAffinity()
	if len(cpus) != set.Count() {
		t.Fatalf("%v, want %d CPUs", cpus, set.Count())
	}
	begin := time.Now()
	then, err := IdleTime(cpus)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	now, err := IdleTime(cpus)
	most := time.Duration(len(cpus)) * (time.Since(begin) + 20*time.Millisecond)
	if idle := now - then; err != nil || idle < 0 || idle > most {
		t.Errorf("idle for %v of %v, %v", idle, most, err)
	}
}
