//go:build linux && (amd64 || arm64)

package bpf

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"
)

// drain hands on the records that are in a ring, and does not wait for more; what says what it is for. The record is valid until each
// returns.
func drain(ring *ringbuf.Reader, what string, each func(raw []byte) error) error {
	var rec ringbuf.Record
	ring.SetDeadline(time.Unix(1, 0))
	for {
		err := ring.ReadInto(&rec)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if err := each(rec.RawSample); err != nil {
			return err
		}
	}
}
