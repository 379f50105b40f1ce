package samples

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

// message is a field of bytes.
func message(number uint64, b ...[]byte) []byte {
	body := bytes.Join(b, nil)
	out := binary.AppendUvarint(nil, number<<3|2)
	out = binary.AppendUvarint(out, uint64(len(body)))
	return append(out, body...)
}

// number is a field of a varint.
func number(n, v uint64) []byte { return binary.AppendUvarint(binary.AppendUvarint(nil, n<<3), v) }

// head is what a profile needs besides samples: a value type, a function main.f, and a location 1 of it with so many lines.
func head(lines int) []byte {
	line := message(4, number(1, 1), number(2, 7))
	return bytes.Join([][]byte{
		message(1, number(1, 1), number(2, 2)), message(6), message(6, []byte("cpu")), message(6, []byte("nanoseconds")),
		message(6, []byte("main.f")),
		message(5, number(1, 1), number(2, 3)), message(4, number(1, 1), bytes.Repeat(line, lines)),
	}, nil)
}

// repeated is r after the head, n times.
func repeated(head, r []byte, n int) io.Reader {
	all := []io.Reader{bytes.NewReader(head)}
	for range n {
		all = append(all, bytes.NewReader(r))
	}
	return io.MultiReader(all...)
}

// bombs are profiles that are small on disk, as gzip, and claim gigabytes in memory.
func bombs() map[string]func() io.Reader {
	ids := func(n int) []byte { return message(1, bytes.Repeat([]byte{1}, n)) }
	value := message(2, []byte{1})
	label := message(3, number(1, 1), number(2, 2))
	return map[string]func() io.Reader{
		"lines":          func() io.Reader { return repeated(head(4<<20), nil, 0) },
		"many locations": func() io.Reader { return repeated(head(1), message(4, number(1, 1)), 4<<20) },
		"labels":         func() io.Reader { return repeated(head(1), message(2, ids(1), value, bytes.Repeat(label, 2<<20)), 1) },
		"deep":           func() io.Reader { return repeated(head(1), message(2, ids(32<<20), value), 1) },
		"wide":           func() io.Reader { return repeated(head(512), message(2, ids(maxStack), value), 10) },
		"values": func() io.Reader {
			return repeated(head(1), message(2, ids(1), message(2, bytes.Repeat([]byte{1}, 32<<20))), 1)
		},
		"comments":   func() io.Reader { return repeated(head(1), message(13, bytes.Repeat([]byte{1}, 64<<20)), 1) },
		"one string": func() io.Reader { return repeated(head(1), message(6, []byte(strings.Repeat("a", 1<<20))), 400) },
	}
}

// TestBombs reads them. Each had package profile take more than 9 GB, or a sample of 320 million locations was accepted.
func TestBombs(t *testing.T) {
	for name, make := range bombs() {
		for how, read := range map[string]func(io.Reader) error{
			"Read": func(r io.Reader) error { _, err := Read(r, name); return err },
			"Open": func(r io.Reader) error {
				f, err := Open(r, name)
				if err != nil {
					return err
				}
				for range f.Each() {
				}
				return f.Err()
			},
		} {
			in := make()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			err := read(in)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s, %s: %v, want %v", name, how, err, ErrTooLarge)
			}
			if got := int64(after.TotalAlloc - before.TotalAlloc); got > 2*maxCost {
				t.Errorf("%s, %s: %d MiB were allocated", name, how, got>>20)
			}
		}
	}
}

// TestLargeProfilesAreRead: half a million samples of a busy server are no bomb.
func TestLargeProfilesAreRead(t *testing.T) {
	ids := message(1, bytes.Repeat([]byte{1}, 30))
	sample := message(2, ids, message(2, []byte{1}), message(3, number(1, 1), number(2, 2)), message(3, number(1, 2), number(3, 2)))
	if _, err := Read(repeated(head(3), sample, 500_000), "large"); err != nil {
		t.Error(err)
	}
	f, err := Open(repeated(head(3), sample, 1_000_000), "large")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range f.Each() {
		n++
	}
	if n != 1_000_000 || f.Err() != nil {
		t.Errorf("%d samples, %v", n, f.Err())
	}
}

// TestBudget: profiles that are in memory together have one bound.
func TestBudget(t *testing.T) {
	file := func() io.Reader {
		return repeated(head(1), message(2, message(1, []byte{1}), message(2, []byte{1})), 1000)
	}
	var b Budget
	if _, err := b.Read(file(), "1.pb"); err != nil || b.spent == 0 {
		t.Fatalf("%d spent, %v", b.spent, err)
	}
	one := b.spent
	b.spent = maxCost - one
	if _, err := b.Read(file(), "2.pb"); err != nil {
		t.Fatal(err)
	}
	_, err := b.Read(file(), "3.pb")
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "3.pb: too large: with those before it") {
		t.Errorf("after the bound: %v", err)
	}
	small, large := Budget{Most: one - 1}, Budget{Most: maxCost + one, spent: maxCost}
	if _, err := small.Read(file(), "1.pb"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("less than it takes: %v", err)
	}
	if _, err := large.Read(file(), "1.pb"); err != nil {
		t.Errorf("more than usual: %v", err)
	}
}
