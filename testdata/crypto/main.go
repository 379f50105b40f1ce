// Command crypto spends its CPU time in assembly that uses the frame pointer register for data
// (golang.org/issue/63508): hashes, curves and ciphers of the standard library, and functions of
// its own that do what older assembly of other modules does.
//
// Each kind of work has one goroutine with the label kind, whose stack is
//
//	main.main.func1 < runtime/pprof.Do < main.(*kind).run < the kind's function main.do... < ... the work
//
// Truth: per kind its goroutine's id, the function, and the rounds done. With -pprof FILE
// runtime/pprof profiles the same window.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"flag"
	"hash"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// kind is a kind of work.
type kind struct {
	Name     string `json:"kind"`
	Function string `json:"function"`
	Goid     uint64 `json:"goid"`
	Rounds   int    `json:"rounds"`

	do func()
}

// kinds are what every release has; others add theirs.
var kinds = []*kind{
	{Name: "md5", Function: "main.doMD5", do: doMD5},
	{Name: "sha1", Function: "main.doSHA1", do: doSHA1},
	{Name: "sha256", Function: "main.doSHA256", do: doSHA256},
	{Name: "sha512", Function: "main.doSHA512", do: doSHA512},
	{Name: "p256", Function: "main.doP256", do: doP256},
	{Name: "aesgcm", Function: "main.doAESGCM", do: doAESGCM},
}

var (
	text = make([]byte, 16<<10)
	key  = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	gcm  = must(cipher.NewGCM(must(aes.NewCipher(text[:32]))))
)

func must[T any](v T, err error) T {
	run.Check(err)
	return v
}

//go:noinline
func doMD5() { digest(md5.New()) }

//go:noinline
func doSHA1() { digest(sha1.New()) }

//go:noinline
func doSHA256() { digest(sha256.New()) }

//go:noinline
func doSHA512() { digest(sha512.New()) }

//go:noinline
func digest(h hash.Hash) {
	h.Write(text)
	h.Sum(nil)
}

//go:noinline
func doP256() {
	sum := sha256.Sum256(text[:64])
	sig := must(ecdsa.SignASN1(rand.Reader, key, sum[:]))
	if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], sig) {
		panic("signature")
	}
}

//go:noinline
func doAESGCM() { seal(gcm) }

//go:noinline
func seal(a cipher.AEAD) {
	var nonce [12]byte
	if _, err := a.Open(nil, nonce[:], a.Seal(nil, nonce[:], text, nil), nil); err != nil {
		panic(err)
	}
}

//go:noinline
func (k *kind) run() {
	k.Goid = run.Goid()
	for !run.Stopped() {
		k.do()
		k.Rounds++
	}
}

func main() {
	profile := flag.String("pprof", "", "write runtime/pprof's profile of the run to this file")
	only := flag.String("only", "", "this kind only")
	flag.Parse()
	runtime.GOMAXPROCS(2)
	if *profile != "" {
		f, err := os.Create(*profile)
		run.Check(err)
		run.Check(pprof.StartCPUProfile(f))
	}
	var done sync.WaitGroup
	for _, k := range kinds {
		if k := k; *only == "" || *only == k.Name {
			done.Add(1)
			go func() {
				defer done.Done()
				pprof.Do(context.Background(), pprof.Labels("kind", k.Name), func(context.Context) { k.run() })
			}()
		}
	}
	run.Ready()
	run.Wait()
	done.Wait()
	pprof.StopCPUProfile()
	truth := run.Measure()
	truth["kinds"] = kinds
	run.Truth(truth)
}
