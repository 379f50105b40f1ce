package profiler

import "time"

// Where no CPU is idle all that mayfly uses is taken from others, and on few CPUs 10 % of a core is much: a saturated etcd on
// two lost 10 % of its requests to it.
const (
	busyShare = 0.025 // of the CPUs: the default budget while they are busy
	leastIdle = 0.25  // of the CPUs' time, below which they are busy
	hostEvery = time.Second
)

// host tells whether the CPUs that this process may run on are busy.
type host struct {
	cpus []int
	idle func(cpus []int) (time.Duration, error)

	at   time.Time // of the last reading
	then time.Duration
	last bool
}

func newHost(cpus []int, idle func([]int) (time.Duration, error)) *host {
	return &host{cpus: cpus, idle: idle}
}

// busy says whether they were in the last second or so. What cannot be read is not busy.
func (h *host) busy(now time.Time) bool {
	if now.Sub(h.at) < hostEvery {
		return h.last
	}
	idle, err := h.idle(h.cpus)
	if err != nil {
		h.at, h.last = time.Time{}, false
		return false
	}
	if !h.at.IsZero() {
		h.last = (idle - h.then).Seconds() < leastIdle*now.Sub(h.at).Seconds()*float64(len(h.cpus))
	}
	h.at, h.then = now, idle
	return h.last
}
