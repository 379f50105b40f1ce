//go:build cgo

package main

// static int twice(int n) { return 2 * n; }
import "C"

func init() { keep(C.twice(2)) }
