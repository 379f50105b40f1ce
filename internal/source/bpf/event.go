package bpf

import (
	"fmt"
	"strings"
)

// Event is something that happens to a thread, at which samples are taken instead of at a timer. It has the name that perf list has.
type Event struct {
	Name   string
	kind   uint32 // perf_event_attr.type (include/uapi/linux/perf_event.h)
	config uint64
}

// onCPUs says that a counter of the CPU counts it, of which there are few, and none in many virtual machines. The kernel draws samples of
// those, by how often they happen on a CPU. What it counts itself it counts for each thread, so that others than the target's pay nothing,
// and the program draws samples of that: by the kernel's drawing they stood for two to four times as much as happened where few did.
func (e *Event) onCPUs() bool { return e != nil && e.kind == kindHardware }

// enum perf_type_id.
const (
	kindHardware = 0
	kindSoftware = 1
)

// enum perf_hw_id and enum perf_sw_ids. Those that count time, and those that nothing counts on amd64 and arm64, are left out.
var allEvents = []Event{
	{"cycles", kindHardware, 0},
	{"instructions", kindHardware, 1},
	{"cache-references", kindHardware, 2},
	{"cache-misses", kindHardware, 3},
	{"branches", kindHardware, 4},
	{"branch-misses", kindHardware, 5},
	{"ref-cycles", kindHardware, 9},
	{"page-faults", kindSoftware, 2},
	{"context-switches", kindSoftware, 3},
	{"cpu-migrations", kindSoftware, 4},
	{"minor-faults", kindSoftware, 5},
	{"major-faults", kindSoftware, 6},
}

// EventNames are the names of all events that FindEvent knows.
func EventNames() []string {
	names := make([]string, len(allEvents))
	for i, e := range allEvents {
		names[i] = e.Name
	}
	return names
}

// FindEvent returns the event of a name.
func FindEvent(name string) (Event, error) {
	for _, e := range allEvents {
		if e.Name == name {
			return e, nil
		}
	}
	return Event{}, fmt.Errorf("event %q: not one of %s", name, strings.Join(EventNames(), ", "))
}
