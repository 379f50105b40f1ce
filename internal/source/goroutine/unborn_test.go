package goroutine

import "testing"

// Until it has an id a goroutine is none: the g has that of the one before, whose labels it has not.
func TestUnborn(t *testing.T) {
	const start, inside = 0x1000, 0x2000
	for _, tt := range []struct {
		name string
		was  slot
		now  key
		want bool
	}{
		{"who had the id has ended", slot{tick: 5, key: key{goid: 7, pc: inside}}, key{goid: 7, pc: start, status: grunnable}, true},
		{"nobody saw its end", slot{tick: 5, alive: true, key: key{goid: 7, pc: inside}}, key{goid: 7, pc: start, status: grunnable}, true},
		{"it has not run yet", slot{tick: 5, alive: true, key: key{goid: 7, pc: start}}, key{goid: 7, pc: start, status: grunnable}, false},
		{"it has its id", slot{tick: 5, key: key{goid: 7, pc: inside}}, key{goid: 8, pc: start, status: grunnable}, false},
		{"a thread of C calls Go again", slot{tick: 5, key: key{goid: 7, pc: inside}}, key{goid: 7, pc: inside, status: grunnable}, false},
		{"nothing is known", slot{}, key{pc: start, status: grunnable}, false},
	} {
		if got := tt.was.unborn(tt.now, start); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
