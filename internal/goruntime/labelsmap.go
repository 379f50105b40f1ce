package goruntime

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Up to Go 1.23 a label set is a map[string]string, in the hash table that Go 1.24 replaced
// (runtime/map.go, internal/abi/map.go; the same in 1.19 to 1.23): 2^B buckets of 8 slots, each
// with a chain of overflow buckets behind it. A map that grew keeps its old buckets until later
// insertions have moved all of them. Label sets are never written again once a goroutine has them,
// so a set whose last insertion made it grow stays half moved for life: 27 labels do that.
const (
	hmapCount      = 0
	hmapFlags      = 8
	hmapB          = 9
	hmapBuckets    = 16
	hmapOldBuckets = 24
	hmapSize       = 48

	sameSizeGrow = 8 // flag: as many old buckets as new ones, else half as many

	slots          = 8
	bucketKeys     = slots // after one byte of hash per slot
	bucketValues   = bucketKeys + slots*stringSize
	bucketOverflow = bucketValues + slots*stringSize
	bucketSize     = bucketOverflow + 8

	evacuatedFirst = 2 // hashes 2, 3 and 4 mark slots that were moved
	minTopHash     = 5 // the least hash of a slot in use

	maxB       = 10   // 1024 buckets: MaxLabels of them fill 630
	maxBuckets = 4096 // buckets read in one map, overflow included
)

// readMap reads **hmap: g.labels points to a variable of type labelMap.
func (r *labelReader) readMap(addr uint64) error {
	var p [8]byte
	if err := r.fill(p[:], addr); err != nil {
		return err
	}
	if word(p[:]) == 0 {
		return nil // a nil map
	}
	var h [hmapSize]byte
	if err := r.fill(h[:], word(p[:])); err != nil {
		return err
	}
	count, b := word(h[hmapCount:]), h[hmapB]
	if b > maxB {
		if count > MaxLabels {
			return errTruncated
		}
		return fmt.Errorf("%w: 2^%d buckets for %d labels", ErrLabels, b, count)
	}
	m := &hmap{labelReader: r, budget: maxBuckets}
	if err := m.readTables(h[:]); err != nil {
		return err
	}
	slices.SortFunc(r.set, func(x, y RawLabel) int { return bytes.Compare(x.Key, y.Key) })
	if uint64(len(r.set)) != count {
		return fmt.Errorf("%w: %d of %d labels found in the map", ErrLabels, len(r.set), count)
	}
	return nil
}

type hmap struct {
	*labelReader
	budget int // buckets that may still be read: chains may be circular in hostile memory
}

// readTables reads the buckets, then the old ones that were not moved yet.
func (m *hmap) readTables(h []byte) error {
	n := 1 << h[hmapB]
	if at := word(h[hmapBuckets:]); at != 0 {
		if err := m.readTable(at, n); err != nil {
			return err
		}
	}
	old := word(h[hmapOldBuckets:])
	if old == 0 {
		return nil
	}
	if h[hmapFlags]&sameSizeGrow == 0 {
		n = max(n/2, 1)
	}
	return m.readTable(old, n)
}

func (m *hmap) readTable(addr uint64, n int) error {
	table := make([]byte, n*bucketSize)
	if err := m.fill(table, addr); err != nil {
		return err
	}
	for ; len(table) > 0; table = table[bucketSize:] {
		if err := m.readChain(table[:bucketSize]); err != nil {
			return err
		}
	}
	return nil
}

// readChain reads a bucket and those that overflowed from it.
func (m *hmap) readChain(bucket []byte) error {
	var overflow [bucketSize]byte
	for {
		if m.budget--; m.budget < 0 {
			return fmt.Errorf("%w: more than %d buckets", ErrLabels, maxBuckets)
		}
		if hash := bucket[0]; hash >= evacuatedFirst && hash < minTopHash {
			return nil // all moved
		}
		if err := m.readBucket(bucket); err != nil {
			return err
		}
		next := binary.LittleEndian.Uint64(bucket[bucketOverflow:])
		if next == 0 {
			return nil
		}
		if err := m.fill(overflow[:], next); err != nil {
			return err
		}
		bucket = overflow[:]
	}
}

func (m *hmap) readBucket(bucket []byte) error {
	for i := range slots {
		if bucket[i] < minTopHash {
			continue
		}
		key := bucket[bucketKeys+i*stringSize:]
		value := bucket[bucketValues+i*stringSize:]
		if err := m.add(key[:stringSize], value[:stringSize]); err != nil {
			return err
		}
	}
	return nil
}
