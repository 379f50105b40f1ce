package profiler

import (
	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/fold"
	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/source/perf"
)

type bpfSource struct{ *bpf.OnCPU }

func (bpfSource) Name() string { return string(EBPF) }

type perfSource struct{ *perf.OnCPU }

func (perfSource) Name() string { return string(Perf) }

func (s perfSource) Stats() bpf.Stats {
	st := s.OnCPU.Stats()
	return bpf.Stats{
		Samples: st.Samples, Lost: st.Lost, Counted: st.Counted, Rusage: st.Rusage,
		CPUs: st.CPUs, NoG: st.NoG,
	}
}

// doubts say what of the samples is missing by the engine's nature.
func (s perfSource) doubts() (words []string) {
	st := s.OnCPU.Stats()
	if st.UserOnly {
		words = append(words, "stacks and labels of CPU time in the kernel: the frame [kernel] "+
			"(kernel.perf_event_paranoid <= 1 would allow them)")
	}
	return words
}

// doubts say which CPUs are missing.
func (s bpfSource) doubts() []string {
	if err := s.OnCPU.Stats().Unsampled; err != nil {
		return []string{"what is on some CPUs: " + err.Error()}
	}
	return nil
}

// attachCPU opens the best on-CPU source that the host allows, or the one that is asked for. What
// was refused is told; the error is the first refusal, when nothing is left but the goroutine table.
func (r *recording) attachCPU(l *goruntime.Layout) error {
	if r.options.Engine == Table {
		return nil
	}
	r.limitRate()
	switch r.options.Engine {
	case EBPF:
		return r.attachBPF(l)
	case Perf:
		return r.attachPerf(l)
	}
	first := r.attachBPF(l)
	if first == nil {
		return nil
	}
	second := r.attachPerf(l)
	if second == nil {
		r.deny("kernel stacks of what is on a CPU: " + first.Error())
		return nil
	}
	r.deny("stacks and kernel time of what is on a CPU: " + first.Error())
	r.deny("stacks without eBPF: " + second.Error())
	return first
}

func (r *recording) attachBPF(l *goruntime.Layout) error {
	s, err := bpf.Open(r.target, bpf.Options{Rate: r.rate, Layout: l, ExecTimes: r.execTimes, OnExec: r.options.Pending != nil,
		Host: r.options.Host.events()})
	if err != nil {
		return err
	}
	r.source = bpfSource{s}
	return nil
}

// know tells the sources what of the target they have to know beyond the runtime's layout.
func (r *recording) know(l *goruntime.Layout) error {
	var programs []*bpf.OnCPU
	switch s := r.source.(type) {
	case bpfSource:
		programs = append(programs, s.OnCPU)
	case perfSource:
		r.knowVars(s, l)
	}
	for _, e := range r.events {
		programs = append(programs, e.source)
	}
	return r.knowText(programs)
}

// knowVars says where the runtime's variables are. A wall recording has found them already. Without them
// more labels are lost, and counted.
func (r *recording) knowVars(s perfSource, l *goruntime.Layout) {
	bin, bias := r.golang()
	if bin == nil || l == nil {
		return
	}
	v := r.vars
	if v == nil {
		exe, err := r.openImage()
		if err != nil {
			return
		}
		defer exe.Close()
		if v, err = goruntime.FindVars(exe, l, bin.Func); err != nil {
			return
		}
	}
	s.Know(v.Add(bias))
}

// knowText says where the code is that stacks are not followed through as through other code.
func (r *recording) knowText(programs []*bpf.OnCPU) error {
	bin, bias := r.symbols.Main()
	if bin == nil || len(programs) == 0 {
		return nil
	}
	found := bin
	if r.image.Exe && r.own != nil {
		found = r.own // has looked functions up already
	}
	c := loaded(r.shared.findText(found), bias)
	for _, p := range programs {
		if err := p.Know(c); err != nil {
			return err
		}
	}
	return nil
}

func (r *recording) attachPerf(l *goruntime.Layout) error {
	s, err := perf.Open(r.target, perf.Options{Rate: r.rate, Layout: l, OnExec: r.options.Pending != nil, Cheap: r.options.Share > 0})
	if err != nil {
		return err
	}
	r.source = perfSource{s}
	return nil
}

// settle makes one of what two sources say of the same time, where the scheduler's view is missing.
func (r *recording) settle(p *profile.Profile) {
	switch {
	case r.sched != nil || r.keep.Timeline:
	case r.keep.TableToo:
		fold.Reconcile(p)
	case r.keep.TableOnly:
		r.summary.CPU.Profiled = fold.Ration(p, r.summary.CPU.Rusage)
	}
}

// execTimes appends for how long the target's threads have had CPUs, nothing if that is not known.
func (r *recording) execTimes(dst []bpf.ExecTime) []bpf.ExecTime {
	if r.sched == nil {
		return dst
	}
	return r.sched.ExecTimes(dst)
}
