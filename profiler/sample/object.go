package sample

import (
	"fmt"
	"strconv"
	"strings"
)

// ObjectKind is what kind of thing a goroutine waits for.
type ObjectKind uint8

const (
	Chan      ObjectKind = iota + 1 // a channel
	Timer                           // the channel of a time.Timer or time.Ticker, which only the passing of time fills
	Mutex                           // sync.Mutex
	RWMutex                         // sync.RWMutex; who waits for the lock among its writers waits for a Mutex at the same address
	WaitGroup                       // sync.WaitGroup; before Go 1.24 the runtime calls it a semaphore
	Semaphore                       // the word that runtime_Semacquire waits for
	Cond                            // sync.Cond
	objectKinds
)

var objectNames = [objectKinds]string{Chan: "chan", Timer: "timer", Mutex: "mutex", RWMutex: "rwmutex", WaitGroup: "waitgroup",
	Semaphore: "semaphore", Cond: "cond"}

// String is how the label go.wait_on begins, "" for no kind.
func (k ObjectKind) String() string {
	if k < objectKinds {
		return objectNames[k]
	}
	return ""
}

// Op is what a goroutine wants to do with a channel.
type Op uint8

const (
	NoOp    Op = iota // not known
	Receive           // from it
	Send              // to it
)

var opNames = [...]string{"", "recv", "send"}

// String is "recv", "send" or "".
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return ""
}

// Object is a thing that a goroutine waits for, as the target's memory had it: a channel and how full it is, a
// lock, a condition. Goroutines that wait for the same have the same Kind and Addr.
type Object struct {
	Kind     ObjectKind
	Op       Op     // of a Chan or Timer; NoOp: not known
	Time     bool   // a Chan of time.Time: of a timer, before Go 1.23 or with GODEBUG=asynctimerchan=1
	Addr     uint64 // as %p prints it, of a WaitGroup before Go 1.24 8 bytes further
	Cap, Len uint64 // of a Chan
	Due      int64  // when a Timer fires, CLOCK_MONOTONIC in ns; 0: not known
	Every    int64  // and again after how many ns; 0 unless it is a ticker
}

// Append appends the object as text: "mutex 0xc000012340", "chan 0xc00009a060 cap=2 len=2 send",
// "timer 0xc0000b0150 due=12903149436787 every=1000000000".
func (o Object) Append(b []byte) []byte {
	b = append(b, o.Kind.String()...)
	b = append(b, " 0x"...)
	b = strconv.AppendUint(b, o.Addr, 16)
	if o.Due != 0 {
		b = strconv.AppendInt(append(b, " due="...), o.Due, 10)
	}
	if o.Every != 0 {
		b = strconv.AppendInt(append(b, " every="...), o.Every, 10)
	}
	if o.Kind != Chan {
		return b
	}
	b = strconv.AppendUint(append(b, " cap="...), o.Cap, 10)
	b = strconv.AppendUint(append(b, " len="...), o.Len, 10)
	if o.Time {
		b = append(b, " of=time.Time"...)
	}
	if o.Op != NoOp {
		b = append(append(b, ' '), o.Op.String()...)
	}
	return b
}

func (o Object) String() string { return string(o.Append(nil)) }

// MarshalText is String, for JSON.
func (o Object) MarshalText() ([]byte, error) { return o.Append(nil), nil }

// more stands for cases of a select that were not read.
const more = "..."

// FormatObjects joins the objects that one wait is for, the cases of a select, by ", ". all says that these are
// all; else "..." stands at the end.
func FormatObjects(list []Object, all bool) string {
	var b []byte
	for i, o := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = o.Append(b)
	}
	if !all {
		b = append(b, ", "+more...)
	}
	return string(b)
}

// ParseObjects is the inverse of FormatObjects.
func ParseObjects(text string) (list []Object, all bool, err error) {
	all = true
	for part := range strings.SplitSeq(text, ", ") {
		if part == more {
			all = false
			continue
		}
		o, err := parseObject(part)
		if err != nil {
			return nil, false, err
		}
		list = append(list, o)
	}
	return list, all, nil
}

func parseObject(text string) (o Object, err error) {
	words := strings.Fields(text)
	if len(words) < 2 {
		return o, fmt.Errorf("%q: not KIND ADDRESS", text)
	}
	for k := Chan; k < objectKinds; k++ {
		if words[0] == objectNames[k] {
			o.Kind = k
		}
	}
	hex, ok := strings.CutPrefix(words[1], "0x")
	o.Addr, err = strconv.ParseUint(hex, 16, 64)
	if !ok || o.Kind == 0 || err != nil {
		return o, fmt.Errorf("%q: not KIND ADDRESS", text)
	}
	for _, w := range words[2:] {
		if err := o.property(w); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (o *Object) property(word string) (err error) {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "cap":
		o.Cap, err = strconv.ParseUint(value, 10, 64)
	case "len":
		o.Len, err = strconv.ParseUint(value, 10, 64)
	case "due":
		o.Due, err = strconv.ParseInt(value, 10, 64)
	case "every":
		o.Every, err = strconv.ParseInt(value, 10, 64)
	case "of":
		o.Time = value == "time.Time"
	case opNames[Receive]:
		o.Op = Receive
	case opNames[Send]:
		o.Op = Send
	}
	if err != nil {
		return fmt.Errorf("%q: not a number", word)
	}
	return nil // properties of later versions are left alone
}
