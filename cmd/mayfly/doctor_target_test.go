package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

func TestLayoutChecks(t *testing.T) {
	unknown := &goruntime.UnknownVersionError{Version: "go1.99", Arch: "amd64", Err: errors.New("no DWARF")}
	tests := []struct {
		name string
		got  check
		want status
	}{
		{"list of labels", labels(&goruntime.Layout{Labels: goruntime.LabelsSlice}), ok},
		{"map of labels", labels(&goruntime.Layout{Labels: goruntime.LabelsMap}), ok},
		{"no labels", labels(&goruntime.Layout{}), ok},
		{"labels not found", labels(&goruntime.Layout{Denied: []string{"g.labels"}}), limited},
		{"the only word", current(&goruntime.Layout{TLSFrom: goruntime.TLSOnly, TLS: -8}), ok},
		{"by code", current(&goruntime.Layout{TLSFrom: goruntime.TLSCode, TLS: -16}), ok},
		{"register of arm64", current(&goruntime.Layout{Arch: "arm64"}), ok},
		{"register of amd64", current(&goruntime.Layout{Arch: "amd64"}), limited},
		{"unknown version", unknownLayout(unknown), limited},
		{"wrapped", unknownLayout(fmt.Errorf("x: %w", unknown)), limited},
		{"unreadable", unknownLayout(errors.New("input/output error")), limited},
	}
	for _, tt := range tests {
		if tt.got.Status != tt.want || tt.got.Found == "" || (tt.want != ok) != (tt.got.Without != "" && tt.got.Remedy != "") {
			t.Errorf("%s: %+v, want %s", tt.name, tt.got, tt.want)
		}
	}
}
