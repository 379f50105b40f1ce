//go:build go1.24

package main

import (
	"bytes"
	"crypto/mlkem"
	"crypto/sha3"
)

func init() {
	kinds = append(kinds,
		&kind{Name: "sha3", Function: "main.doSHA3", do: doSHA3},
		&kind{Name: "mlkem", Function: "main.doMLKEM", do: doMLKEM})
}

var decapsulation = must(mlkem.GenerateKey768())

//go:noinline
func doSHA3() {
	h := sha3.New256()
	h.Write(text)
	h.Sum(nil)
}

//go:noinline
func doMLKEM() {
	shared, ciphertext := decapsulation.EncapsulationKey().Encapsulate()
	if !bytes.Equal(must(decapsulation.Decapsulate(ciphertext)), shared) {
		panic("key")
	}
}
