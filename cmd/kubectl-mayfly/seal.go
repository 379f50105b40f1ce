package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

// What mayfly prints in the pod has a seal at its end, sealMark and the SHA-256 of all before it (cmd/mayfly/remote.go): a connection that
// breaks looks like one that ends.
const (
	sealMark = "\x00mayfly\x01"
	sealSize = len(sealMark) + sha256.Size
	mostSent = 1 << 30 // bytes that are taken of a pod
)

var errTooMuch = errors.New("more comes out of the pod than mayfly prints: is the image mayfly's?")

// unsealer passes on what is written to it, except for the seal: it keeps what may be the beginning of it.
type unsealer struct {
	w     io.Writer
	sum   hash.Hash
	kept  []byte
	taken int64
	most  int64
}

func newUnsealer(w io.Writer) *unsealer { return &unsealer{w: w, sum: sha256.New(), most: mostSent} }

func (u *unsealer) Write(b []byte) (int, error) {
	n := len(b)
	if u.taken += int64(n); u.taken > u.most {
		return 0, errTooMuch
	}
	u.kept = append(u.kept, b...)
	at := maybeSeal(u.kept)
	if err := u.pass(u.kept[:at]); err != nil {
		return 0, err
	}
	u.kept = append(u.kept[:0], u.kept[at:]...)
	return n, nil
}

func (u *unsealer) pass(b []byte) error {
	u.sum.Write(b)
	if len(b) == 0 {
		return nil
	}
	_, err := u.w.Write(b)
	return err
}

// maybeSeal is where the last bytes begin that may be a seal, or the first ones of it.
func maybeSeal(b []byte) int {
	for at := max(0, len(b)-sealSize); at < len(b); at++ {
		begin := b[at:min(len(b), at+len(sealMark))]
		if bytes.HasPrefix([]byte(sealMark), begin) {
			return at
		}
	}
	return len(b)
}

// intact says whether what has come is all that was printed. What was kept is passed on where it is none.
func (u *unsealer) intact() bool {
	if len(u.kept) == sealSize && bytes.Equal(u.kept[len(sealMark):], u.sum.Sum(nil)) {
		return true
	}
	u.pass(u.kept)
	u.kept = nil
	return false
}
