package goroutine

import "github.com/mayfly-profiler/mayfly/profiler/sample"

// event is an interval that is over, or a part of one.
type event interval

// sample fills in the sample that an event stands for.
func (e *event) sample(sm *sample.Sample, names *[states]sample.State) {
	*sm = sample.Sample{
		Time: e.to, Weight: e.to - e.from, TID: e.tid, Goid: e.goid, Parent: e.parent, Created: e.created, State: names[e.state], Loss: e.loss,
	}
	if e.stack != nil {
		sm.Curg = e.stack.pcs
	}
	sm.Call = e.call
	if e.peer != nil {
		sm.Peer = e.peer.String()
	}
	if e.on != nil {
		sm.WaitOn = e.on.String()
	}
	if e.set != nil {
		sm.Labels, sm.LabelsTruncated = e.set.Labels, e.set.Truncated
	}
	sm.LabelsLost = e.lost
}
