package main

import (
	"context"
	"errors"
	"fmt"
)

// Exit codes are mayfly's: what it has in the pod is what kubectl-mayfly has, and 1 and 2 mean the same here.
const (
	codeFailed = 1
	codeUsage  = 2
)

// exitError is an error that knows its exit code. Without err there is nothing to print: mayfly has said it.
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

func exitCode(err error) int {
	var coded *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.code
	}
	return codeFailed
}

// message is what to print about err, "" for nothing.
func message(err error) string {
	var coded *exitError
	switch {
	case err == nil, errors.As(err, &coded) && coded.err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return err.Error()
}
