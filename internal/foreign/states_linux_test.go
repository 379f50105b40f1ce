package foreign

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/groundtruth"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// judged is a recording beside what the execution trace and the kernel's scheduler events say of the same time.
type judged struct {
	observed
	window    groundtruth.Window
	got, want map[uint64]groundtruth.States // by goroutine, of those that lived all the time
}

// TestStatesAgreeWithGroundTruth holds the states of goroutines that run for short bursts, most of them after a wakeup, against an
// independent account of the same time.
func TestStatesAgreeWithGroundTruth(t *testing.T) {
	for _, p := range programs {
		if p.name != "pgx" && p.name != "websocket" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			exe, file := target.Foreign(t, p.name), filepath.Join(t.TempDir(), "trace")
			args := []string{"-ctl", filepath.Join(t.TempDir(), "page"), "-trace", file}
			if p.args != nil {
				args = append(args, p.args(t)...)
			}
			r := judge(t, file, append([]string{exe}, args...))
			r.hold(t)
		})
	}
}

// judge records a program that writes an execution trace to the file.
func judge(t *testing.T, file string, cmd []string) *judged {
	t.Helper()
	sched, err := groundtruth.WatchScheduler(t.TempDir(), filepath.Base(cmd[0]))
	target.Need(t, err)
	defer sched.Close()
	x := target.Start(t, cmd[0], cmd[1:]...)
	var ends []int64
	r := &judged{observed: observe(t, x.PID, 2500*time.Millisecond, func() { ends = append(ends, target.Monotonic()) })}
	r.window = groundtruth.Window{From: ends[0], To: ends[1]}
	var tr truth
	x.Truth(&tr)
	threads, err := sched.Stop()
	if err != nil {
		t.Fatal(err)
	}
	all, err := groundtruth.ReadTrace(file)
	if err != nil {
		t.Fatal(err)
	}
	r.got, r.want = states(r.rec), make(map[uint64]groundtruth.States)
	for id, lived := range r.lived {
		if lived {
			r.want[id] = make(groundtruth.States)
			all.Judge(id, threads, r.window, r.want[id])
		}
	}
	return r
}

// states are the wall times by goroutine and state.
func states(rec *profiler.Recording) map[uint64]groundtruth.States {
	all := make(map[uint64]groundtruth.States)
	for _, s := range rec.Profile.Sample {
		for _, id := range s.NumLabel["go.id"] {
			if all[uint64(id)] == nil {
				all[uint64(id)] = make(groundtruth.States)
			}
			all[uint64(id)][groundtruth.Word(s.Label["go.state"][0])] += s.Value[wall]
		}
	}
	return all
}

// on is for how long a goroutine had a thread that was on a CPU or wanted one.
func on(s groundtruth.States) int64 { return s["running"] + s["preempted"] }

// hold allows for 10 % of the time that goroutines had threads, and four standard errors: it is known from so many scans, and
// from so many samples on a CPU. All other time the table has, and it adds up. The 10 % are the scans themselves: as long as
// one has a CPU nobody gets it, and who waited for that runs when the scan is over and is found less often.
func (r *judged) hold(t *testing.T) {
	t.Helper()
	s := r.rec.Summary
	got, want := make(groundtruth.States), make(groundtruth.States)
	for _, id := range slices.Sorted(maps.Keys(r.want)) {
		if on(r.want[id]) < 50e6 {
			continue // too little to say anything of
		}
		if !r.compare(t, fmt.Sprint("goroutine ", id), r.got[id], r.want[id]) {
			t.Log(strings.Join(r.did(id), "\n\t"))
		}
		for k, ns := range r.want[id] {
			want[k] += ns
		}
		for k, ns := range r.got[id] {
			got[k] += ns
		}
	}
	t.Logf("%.0f scans a second, %d missed", s.Table.Rate, s.Table.Missed)
	r.compare(t, "all", got, want)
}

func (r *judged) compare(t *testing.T, who string, got, want groundtruth.States) bool {
	t.Helper()
	s, life := r.rec.Summary, float64(want.Total())
	period := 1e9 / s.Table.Rate
	limit := 0.1*float64(on(want)) + 4*math.Sqrt(2*float64(on(want))*period) + 4*period
	// Looks are missed when the machine is busiest: what happened then is not what happened when they were not.
	if missed := float64(s.Table.Missed) / (float64(r.rec.Profile.DurationNanos) / 1e9 * float64(s.RateAsked)); missed > 0.05 {
		limit += missed * life
	}
	total, preempted := float64(got.Total())-life, float64(got["preempted"]-want["preempted"])
	line := fmt.Sprintf("%s: states add up to %+.2f %%, preempted %+.2f %% of %.2f %%, running %+.2f %% of %.2f %%, limit %.2f",
		who, 100*total/life,
		100*preempted/life, 100*float64(want["preempted"])/life, 100*float64(got["running"]-want["running"])/life,
		100*float64(want["running"])/life, 100*limit/life)
	if math.Abs(total) > limit || math.Abs(preempted) > limit {
		t.Error(line)
		return false
	}
	t.Log(line)
	return true
}
