package goruntime

import (
	"fmt"
	"io"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// ReadLabels reads one set, with nothing kept from one to the next. What is too large is an error with as much of it as was read.
func ReadLabels(mem io.ReaderAt, l *Layout, labels uint64) ([]sample.Label, error) {
	var r labelReader
	truncated, err := r.read(mem, l, labels)
	if err != nil {
		return nil, err
	}
	var set []sample.Label
	for _, x := range r.set {
		set = append(set, sample.Label{Key: string(x.Key), Value: string(x.Value)})
	}
	if truncated {
		return set, fmt.Errorf("goruntime: labels at %#x: %w", labels, errTruncated)
	}
	return set, nil
}
