//go:build slow

package bench

const rounds = 3
