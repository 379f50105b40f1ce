package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// The exit codes that scripts rely on. A crash is never mistaken for "no regression", nor the
// other way round: 1 means nothing but that the tool failed.
const (
	codeOK           = 0 // fine, no regression, SLO met
	codeFailed       = 1 // the tool failed
	codeUsage        = 2 // the command line is wrong
	codeRegression   = 3 // regression found, or SLO broken
	codeUndecided    = 4 // too few samples to say
	codeIncomparable = 5 // the inputs cannot be compared
)

// exitError is an error that knows its exit code. Without err the code is the whole message:
// nothing is printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef is an error of the person who typed the command line.
func usagef(format string, args ...any) error {
	return &exitError{codeUsage, fmt.Errorf(format, args...)}
}

// exitCode returns the code that the process ends with.
func exitCode(err error) int {
	var coded *exitError
	switch {
	case err == nil:
		return codeOK
	case errors.As(err, &coded):
		return coded.code
	}
	return codeFailed
}

// message returns what to print about err as one line, or "" for nothing.
func message(err error) string {
	var coded *exitError
	switch {
	case err == nil, errors.As(err, &coded) && coded.err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return oneLine(err.Error())
}

// oneLine joins the lines of joined errors.
func oneLine(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}
