package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/printable"
)

func TestExit(t *testing.T) {
	tests := []struct {
		name string
		err  error
		code int
		text string
	}{
		{"fine", nil, codeOK, ""},
		{"failed", errors.New("no such process"), codeFailed, "no such process"},
		{"usage", usagef("rate %d", 0), codeUsage, "rate 0"},
		{"wrapped", fmt.Errorf("diff: %w", &exitError{codeIncomparable, errors.New("rates differ")}), codeIncomparable, "diff: rates differ"},
		{"only a code", &exitError{code: codeRegression}, codeRegression, ""},
		{"joined", errors.Join(errors.New("a"), errors.New("b")), codeFailed, "a; b"},
		{"interrupted", fmt.Errorf("record: %w", context.Canceled), codeFailed, "interrupted"},
	}
	for _, tt := range tests {
		if code, text := exitCode(tt.err), message(tt.err); code != tt.code || text != tt.text {
			t.Errorf("%s: exit code %d, message %q, want %d, %q", tt.name, code, text, tt.code, tt.text)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got, want := printable.Line("ä\x1b[31m\n"), "ä\ufffd[31m\ufffd"; got != want {
		t.Errorf("printable = %q, want %q", got, want)
	}
}
