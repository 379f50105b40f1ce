package sample

import (
	"slices"
	"testing"
)

var objectTexts = []struct {
	text string
	list []Object
	all  bool
}{
	{"mutex 0xc000012340", []Object{{Kind: Mutex, Addr: 0xc000012340}}, true},
	{"chan 0xc00009a060 cap=2 len=2 send", []Object{{Kind: Chan, Addr: 0xc00009a060, Cap: 2, Len: 2, Op: Send}}, true},
	{"chan 0x10 cap=1 len=0 of=time.Time recv", []Object{{Kind: Chan, Addr: 16, Cap: 1, Time: true, Op: Receive}}, true},
	{"timer 0x20 due=12903149436787 every=1000000", []Object{{Kind: Timer, Addr: 32, Due: 12903149436787, Every: 1e6}}, true},
	{"chan 0x10 cap=0 len=0, timer 0x20, ...", []Object{{Kind: Chan, Addr: 16}, {Kind: Timer, Addr: 32}}, false},
	{"waitgroup 0x8, rwmutex 0x10, semaphore 0x4, cond 0x18", []Object{{Kind: WaitGroup, Addr: 8}, {Kind: RWMutex, Addr: 16},
		{Kind: Semaphore, Addr: 4}, {Kind: Cond, Addr: 24}}, true},
}

func TestObjects(t *testing.T) {
	for _, tt := range objectTexts {
		if got := FormatObjects(tt.list, tt.all); got != tt.text {
			t.Errorf("%q, want %q", got, tt.text)
		}
		list, all, err := ParseObjects(tt.text)
		if err != nil || all != tt.all || !slices.Equal(list, tt.list) {
			t.Errorf("%q: %+v, %v, %v", tt.text, list, all, err)
		}
	}
}

// What is no object is refused, and what a later version says besides is left alone.
func TestParseObjectsErrors(t *testing.T) {
	for _, text := range []string{"", "chan", "chan 12", "chan 0x", "tree 0x10", "chan 0x10 cap=x", "mutex 0x10,", "mutex 0x10, "} {
		if list, _, err := ParseObjects(text); err == nil {
			t.Errorf("%q: %+v", text, list)
		}
	}
	if list, _, err := ParseObjects("mutex 0x10 owner=7 fair"); err != nil || list[0] != (Object{Kind: Mutex, Addr: 16}) {
		t.Errorf("%+v, %v", list, err)
	}
}

func FuzzParseObjects(f *testing.F) {
	for _, tt := range objectTexts {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, all, err := ParseObjects(text)
		if err != nil || len(list) == 0 {
			return
		}
		again, allAgain, err := ParseObjects(FormatObjects(list, all))
		if err != nil || allAgain != all || len(again) != len(list) {
			t.Errorf("%q: %+v, then %+v, %v", text, list, again, err)
		}
	})
}
