package samples

import "fmt"

// What messages cost in memory once package profile has decoded them, in bytes: its structs, slices that double as they
// grow, and for each sample three maps with room for all its labels (profile/profile.go, postDecode). Of a sample that
// is looked at alone only the encoded bytes stay.
const (
	copied       = 3 // each byte: in a buffer that doubles, and in the whole
	stringCost   = 48
	messageCost  = 250 // functions, mappings, value types
	sampleCost   = 300
	idCost       = 32 // of a location in a stack
	valueCost    = 24
	labelCost    = 300
	locationCost = 250
	lineCost     = 100
	numberCost   = 24 // of a repeated number, such as a comment
)

// weigh adds what a message costs, and refuses what no profiler writes.
func (s *scan) weigh(number uint64, b []byte) error {
	switch number {
	case fieldSample:
		return s.weighSample(b)
	case fieldLocation:
		lines, err := count(b, 4)
		if err != nil {
			return err
		}
		if lines[3] > maxLines {
			return fmt.Errorf("%w: a location of %d lines", ErrTooLarge, lines[3])
		}
		return s.spend(locationCost + lineCost*int64(lines[3]))
	case fieldString:
		return s.spend(stringCost + int64(len(b)))
	case fieldComment:
		return s.spend(numberCost * int64(len(b)))
	}
	return s.spend(messageCost)
}

func (s *scan) weighSample(b []byte) error {
	n, err := count(b, 3)
	if err != nil {
		return err
	}
	ids, values, labels := n[0], n[1], n[2]
	if ids > maxStack || values > maxValues || labels > maxLabels {
		return fmt.Errorf("%w: a sample of %d locations, %d values and %d labels", ErrTooLarge, ids, values, labels)
	}
	if !s.keep {
		return nil
	}
	return s.spend(sampleCost + idCost*int64(ids) + valueCost*int64(values) + labelCost*int64(labels))
}

// count counts the elements of the repeated fields 1 to n of a message, n at most 4. A field of bytes counts as a
// message or as packed numbers, whichever it is in profile.proto: samples have numbers in fields 1 and 2.
func count(b []byte, n uint64) (c [4]int, err error) {
	var d decoder
	for len(b) > 0 {
		var f field
		f, b = d.field(b)
		switch {
		case d.err != nil:
			return c, d.err
		case f.number == 0 || f.number > n:
		case f.packed && f.number <= 2:
			for _, x := range f.bytes {
				if x < 0x80 { // the last byte of a number
					c[f.number-1]++
				}
			}
		default:
			c[f.number-1]++
		}
	}
	return c, nil
}
