package goruntime_test

import (
	"os"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// derived are the fields that are found in the code of a release's own runtime: all without which
// there would be no ids, labels, states or stacks, and some more.
func derived(l *goruntime.Layout) map[string]int32 {
	g, m, sg, ch := &l.G, &l.M, &l.Sudog, &l.Hchan
	fields := map[string]int32{
		"stack.lo": g.StackLo, "stack.hi": g.StackHi, "g.m": g.M, "sched.sp": g.SchedSP, "sched.pc": g.SchedPC, "sched.bp": g.SchedBP,
		"syscallsp": g.SyscallSP, "syscallpc": g.SyscallPC, "syscallbp": g.SyscallBP, "atomicstatus": g.Status, "goid": g.Goid,
		"waitreason": g.WaitReason, "waitsince": g.WaitSince, "trackingSeq": g.TrackingSeq, "parentGoid": g.ParentGoid,
		"gopc": g.GoPC, "startpc": g.StartPC, "labels": g.Labels, "g.SIZE": g.Size,
		"m.g0": m.G0, "m.gsignal": m.GSignal, "m.procid": m.Procid, "m.curg": m.Curg,
		"g.waiting": g.Waiting, "sudog.g": sg.G, "sudog.elem": sg.Elem, "sudog.waitlink": sg.WaitLink, "sudog.c": sg.C,
		"hchan.qcount": ch.QCount, "hchan.dataqsiz": ch.DataQSiz, "hchan.elemsize": ch.ElemSize, "hchan.closed": ch.Closed,
		"hchan.timer": ch.Timer, "hchan.elemtype": ch.ElemType, "hchan.recvq": ch.RecvQ, "hchan.sendq": ch.SendQ,
	}
	if ch.Timer != goruntime.None {
		fields["timer.when"], fields["timer.period"] = l.Timer.When, l.Timer.Period
	}
	return fields
}

// With its row hidden, each release's layout is read from its code as the row has it.
func TestDerivedIsTable(t *testing.T) {
	for _, release := range target.Releases(t) {
		for _, arch := range []string{"amd64", "arm64"} {
			for _, b := range []target.Build{{Go: release, GOARCH: arch}, {Go: release, GOARCH: arch, PIE: true, Strip: true}} {
				t.Run(b.String(), func(t *testing.T) { checkDerived(t, b) })
			}
		}
	}
}

// maxDenied: where Ps keep ids, where sched has its lock and the histograms of stops, and what those look like.
const maxDenied = 7

func checkDerived(t *testing.T, b target.Build) {
	f, err := os.Open(target.Compile(t, "labels", b))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	bin, err := symbolize.OpenGo(f)
	if err != nil {
		t.Fatal(err)
	}
	table, err := goruntime.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := goruntime.ReadHidden(f, bin.Func)
	if err != nil {
		t.Error(err)
	}
	want := derived(table)
	for name, got := range derived(hidden) {
		older := table.Minor < 21 && name == "gopc" && got == goruntime.None // on arm64 it is stored with another word there
		if got != want[name] && !older {
			t.Errorf("%s at %d, want %d", name, got, want[name])
		}
	}
	vars, err := goruntime.FindVars(f, table, bin.Func)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := goruntime.FindVars(f, hidden, bin.Func); err != nil || *v != *vars {
		t.Errorf("variables %+v, %v, want %+v", v, err, vars)
	}
	if len(hidden.Denied) > maxDenied && table.Minor >= 21 {
		t.Errorf("denied: %q", hidden.Denied)
	}
}
