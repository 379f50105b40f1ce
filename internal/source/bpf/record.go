//go:build amd64 || arm64

package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// errRecord is what decode says of bytes that are no record. It never happens with the program of
// this package; the bytes come from a shared ring all the same.
var errRecord = errors.New("malformed record")

const (
	headerSize  = int(unsafe.Sizeof(oncpuRecord{}))
	maxInterned = 1 << 20 // bytes of distinct label sets kept before the table starts anew
	internCost  = 128     // bytes of a set besides text and labels: its entry in the table
)

// decoder turns records into samples. The samples share its buffers: each decode overwrites the
// last sample.
type decoder struct {
	words    []uint64
	labels   map[string][]sample.Label // label sets seen, by their bytes in the record
	interned int                       // bytes of them
}

// header is the fixed part of a record.
type header = oncpuRecord

func u64(b []byte, off uintptr) uint64 { return binary.LittleEndian.Uint64(b[off:]) }
func u32(b []byte, off uintptr) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
func u16(b []byte, off uintptr) uint16 { return binary.LittleEndian.Uint16(b[off:]) }

// readHeader reads the fixed part; the offsets are those of the type that bpf2go made from the C
// struct.
func readHeader(raw []byte) (h header, err error) {
	if len(raw) < headerSize {
		return h, fmt.Errorf("%w: %d bytes", errRecord, len(raw))
	}
	h.Time, h.Goid = u64(raw, unsafe.Offsetof(h.Time)), u64(raw, unsafe.Offsetof(h.Goid))
	h.G, h.Curg, h.Labels = u64(raw, unsafe.Offsetof(h.G)), u64(raw, unsafe.Offsetof(h.Curg)), u64(raw, unsafe.Offsetof(h.Labels))
	h.Created = u64(raw, unsafe.Offsetof(h.Created))
	h.Sp, h.Fp, h.Lr = u64(raw, unsafe.Offsetof(h.Sp)), u64(raw, unsafe.Offsetof(h.Fp)), u64(raw, unsafe.Offsetof(h.Lr))
	h.CurgSp, h.CurgFp = u64(raw, unsafe.Offsetof(h.CurgSp)), u64(raw, unsafe.Offsetof(h.CurgFp))
	h.CurgLr = u64(raw, unsafe.Offsetof(h.CurgLr))
	for i := range h.Words {
		h.Words[i] = u64(raw, unsafe.Offsetof(h.Words)+8*uintptr(i))
		h.CurgWords[i] = u64(raw, unsafe.Offsetof(h.CurgWords)+8*uintptr(i))
	}
	h.RestAt, h.Resume = u64(raw, unsafe.Offsetof(h.RestAt)), u64(raw, unsafe.Offsetof(h.Resume))
	h.TopAt, h.Nrest = u64(raw, unsafe.Offsetof(h.TopAt)), u16(raw, unsafe.Offsetof(h.Nrest))
	h.RestFrom, h.Ntop = u16(raw, unsafe.Offsetof(h.RestFrom)), u16(raw, unsafe.Offsetof(h.Ntop))
	h.Pid, h.Tid = u32(raw, unsafe.Offsetof(h.Pid)), u32(raw, unsafe.Offsetof(h.Tid))
	h.Flags, h.LabelBytes = u32(raw, unsafe.Offsetof(h.Flags)), u32(raw, unsafe.Offsetof(h.LabelBytes))
	h.Nuser, h.Ncurg = u16(raw, unsafe.Offsetof(h.Nuser)), u16(raw, unsafe.Offsetof(h.Ncurg))
	h.Nkernel, h.Nlabels = u16(raw, unsafe.Offsetof(h.Nkernel)), u16(raw, unsafe.Offsetof(h.Nlabels))
	h.Period = u64(raw, unsafe.Offsetof(h.Period))
	if want := headerSize + 8*h.words() + int(h.LabelBytes); len(raw) < want {
		return h, fmt.Errorf("%w: %d bytes of %d", errRecord, len(raw), want)
	}
	return h, nil
}

// words is how many there are of all stacks.
func (h *header) words() int {
	return int(h.Nuser) + int(h.Ncurg) + int(h.Nkernel) + int(h.Nrest) + int(h.Ntop)
}

func (h *header) has(f oncpuRecordFlags) bool { return h.Flags&uint32(f) != 0 }

// decode fills s from a record. Weight and Count are left to the caller.
func (d *decoder) decode(raw []byte, s *sample.Sample) error {
	h, err := readHeader(raw)
	if err != nil {
		return err
	}
	*s = sample.Sample{
		Time: int64(h.Time), PID: h.Pid, TID: h.Tid, Goid: h.Goid, Created: h.Created, State: sample.Running,
		Leaf: sample.Leaf{SP: h.Sp, BP: h.Fp, LR: h.Lr, Words: h.Words, Valid: h.has(oncpuRecordFlagsLEAF_VALID)},
		CurgLeaf: sample.Leaf{SP: h.CurgSp, BP: h.CurgFp, LR: h.CurgLr, Words: h.CurgWords,
			Valid: h.has(oncpuRecordFlagsCURG_LEAF_VALID)},
		LabelsTruncated: h.has(oncpuRecordFlagsLABELS_PARTIAL),
	}
	if h.has(oncpuRecordFlagsUSER_TRUNCATED) || h.has(oncpuRecordFlagsCURG_TRUNCATED) {
		s.Loss = sample.Truncated
	}
	d.stacks(raw[headerSize:], &h, s)
	s.Labels, err = d.labelSet(raw[headerSize+8*h.words():][:h.LabelBytes], int(h.Nlabels))
	return err
}

func (d *decoder) stacks(b []byte, h *header, s *sample.Sample) {
	n := h.words()
	d.words = d.words[:0]
	for i := range n {
		d.words = append(d.words, binary.LittleEndian.Uint64(b[8*i:]))
	}
	u := int(h.Nuser)
	c := u + int(h.Ncurg)
	k := c + int(h.Nkernel)
	r := k + int(h.Nrest)
	s.User, s.Curg, s.Kernel = d.words[:u:u], d.words[u:c:c], d.words[c:k:k]
	s.Top = sample.Words{At: h.TopAt, Words: d.words[r:n:n]}
	s.Rest = sample.Rest{
		Words: sample.Words{At: h.RestAt, Words: d.words[k:r:r]}, OfCurg: h.has(oncpuRecordFlagsREST_OF_CURG),
		From: int(h.RestFrom), Resumed: h.Resume,
	}
	if h.has(oncpuRecordFlagsINTERRUPTED) {
		s.Rest.Interrupted, s.Rest.BP, s.Rest.LR = true, h.CurgFp, h.CurgLr
	}
	if u == 0 || s.User[0] == 0 {
		s.Loss = sample.Unwalked
	}
}

// labelSet returns the labels in b. Sets are kept by their bytes: equal bytes are equal labels, which
// equal pointers in the target are not. Most programs have few sets. Where each request has one of its
// own, keeping them is of no use, and the bound makes that cheap.
func (d *decoder) labelSet(b []byte, n int) ([]sample.Label, error) {
	if n == 0 {
		return nil, nil
	}
	if set, ok := d.labels[string(b)]; ok {
		return set, nil
	}
	text := string(b)
	set, err := parseLabels(text, n)
	if err != nil {
		return nil, err
	}
	if d.labels == nil {
		d.labels = make(map[string][]sample.Label)
	}
	cost := internCost + len(text) + len(set)*int(unsafe.Sizeof(sample.Label{}))
	if d.interned += cost; d.interned > maxInterned {
		clear(d.labels)
		d.interned = cost
	}
	d.labels[text] = set
	return set, nil
}

// parseLabels reads n labels: lengths of key and value, key, value, each padded to 8 bytes. The labels
// are parts of b.
func parseLabels(b string, n int) ([]sample.Label, error) {
	if n*8 > len(b) {
		return nil, fmt.Errorf("%w: %d labels in %d bytes", errRecord, n, len(b))
	}
	set := make([]sample.Label, 0, n)
	for range n {
		if len(b) < 8 {
			return nil, fmt.Errorf("%w: label header", errRecord)
		}
		head := []byte(b[:8]) // on the stack
		key, value := uint64(u32(head, 0)), uint64(u32(head, 4))
		b = b[8:]
		end := pad8(key) + pad8(value)
		if end > uint64(len(b)) {
			return nil, fmt.Errorf("%w: label of %d and %d bytes", errRecord, key, value)
		}
		set = append(set, sample.Label{Key: b[:key], Value: b[pad8(key):][:value]})
		b = b[end:]
	}
	return set, nil
}

func pad8(n uint64) uint64 { return (n + 7) &^ 7 }
