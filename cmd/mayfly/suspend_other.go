//go:build !unix

package main

// unstoppable does nothing: there is no Ctrl-Z.
func unstoppable(*env) (end func()) { return func() {} }
