// Command digest computes in assembly of many hands, which uses the frame pointer's register as it
// likes: blake2b, minio's sha256, go-metro, klauspost's zstd and huff0, bn254. One goroutine a
// library, each piece of work under its label.
package main

import (
	"context"

	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/dgryski/go-metro"
	"github.com/klauspost/compress/zstd"
	blakeminio "github.com/minio/blake2b-simd"
	"github.com/minio/sha256-simd"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/run"
	"github.com/mayfly-profiler/mayfly/testdata/foreign/tally"
)

var text = func() []byte {
	b := make([]byte, 1<<18)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return b
}()

func main() {
	t := tally.New()
	for _, w := range []struct {
		name, handler string
		do            func()
	}{
		{"blake2b", "main.blake", blake}, {"minio-blake2b", "main.minioBlake", minioBlake}, {"minio-sha256", "main.sha", sha},
		{"metro", "main.hashMetro", hashMetro}, {"zstd", "main.zstandard", zstandard}, {"bn254", "main.field", field},
		{"argon2", "main.argon", argon}, {"chacha20poly1305", "main.seal", seal},
	} {
		t.Set(w.handler, "hash", w.name).Loop(1, 0, func(context.Context) { w.do() })
	}
	t.Run()
}

func blake() { blake2b.Sum512(text) }

func minioBlake() {
	h := blakeminio.New512()
	h.Write(text)
	h.Sum(nil)
}

func sha() { sha256.Sum256(text) }

func hashMetro() {
	for range 10 {
		metro.Hash128(text, 7)
	}
}

var (
	encoder, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
)

func zstandard() {
	out, err := decoder.DecodeAll(encoder.EncodeAll(text, nil), nil)
	run.Check(err)
	if len(out) != len(text) {
		panic("zstd lost something")
	}
}

func field() {
	x := fp.NewElement(7)
	for range 10_000 {
		x.Mul(&x, &x).Square(&x)
	}
}

func argon() { argon2.IDKey(text[:16], text[16:32], 1, 256, 1, 32) }

func seal() {
	c, err := chacha20poly1305.New(text[:chacha20poly1305.KeySize])
	run.Check(err)
	c.Seal(nil, text[:c.NonceSize()], text, nil)
}
