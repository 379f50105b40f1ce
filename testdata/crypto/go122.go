//go:build go1.22

package main

import "math/rand/v2"

func init() { kinds = append(kinds, &kind{Name: "chacha8", Function: "main.doChaCha8", do: doChaCha8}) }

var random = rand.NewChaCha8([32]byte{})

// On arm64 internal/chacha8rand.block stores its counter where it has saved its return address.
//
//go:noinline
func doChaCha8() {
	for i := 0; i < 2000; i++ {
		sum8 += random.Uint64()
	}
}

var sum8 uint64
