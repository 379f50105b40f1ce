package demo

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// What the service computes is of the kind that such services compute: price rules, checksums,
// an index of words. How much of it is a matter of time: each kernel is timed once at the start,
// so that an order line takes its 1 to 3 ms on any machine. The units done are counted, which
// makes the shares of the kernels known exactly and their CPU time as well as the timing was.

// A kernel is one kind of work that can be done in any number of rounds.
type kernel struct {
	work   func(seed uint64, rounds int) uint64
	perNS  float64 // rounds in a nanosecond
	calls  atomic.Int64
	rounds atomic.Int64
}

// kernels are the kinds of work of the service.
type kernels struct {
	price, seal, index, flush kernel
}

// newRand returns one of the independent random streams of a seed.
func newRand(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }

// sink keeps the results alive.
var sink atomic.Uint64

// do works for about d of CPU time.
func (k *kernel) do(seed uint64, d time.Duration) {
	rounds := max(int(float64(d)*k.perNS), 1)
	k.calls.Add(1)
	k.rounds.Add(int64(rounds))
	sink.Add(k.work(seed, rounds))
}

// cpu is the CPU time of all rounds so far, by the timing of the start.
func (k *kernel) cpu() time.Duration { return time.Duration(float64(k.rounds.Load()) / k.perNS) }

// calibrate times the kernels. The best of several short runs is the one that was disturbed
// least.
func calibrate() *kernels {
	k := &kernels{price: kernel{work: priceRules}, seal: kernel{work: sealDocument},
		index: kernel{work: indexWords}, flush: kernel{work: flushMetrics}}
	for _, one := range []*kernel{&k.price, &k.seal, &k.index, &k.flush} {
		one.perNS = timeRounds(one.work)
	}
	return k
}

// timeRounds returns rounds per nanosecond.
func timeRounds(work func(uint64, int) uint64) float64 {
	const tries, enough = 5, 200 * time.Microsecond
	best := 0.0
	for rounds := 16; ; rounds *= 2 {
		start := time.Now()
		sink.Add(work(uint64(rounds), rounds))
		took := time.Since(start)
		best = max(best, float64(rounds)/float64(max(took, 1)))
		if took < enough {
			continue
		}
		for range tries {
			start := time.Now()
			sink.Add(work(uint64(rounds), rounds))
			best = max(best, float64(rounds)/float64(max(time.Since(start), 1)))
		}
		return best
	}
}

// priceRules evaluates a table of discount rules, one rule a round.
func priceRules(seed uint64, rounds int) uint64 {
	var table [64]uint64
	for i := range table {
		table[i] = uint64(i)*0x9e3779b97f4a7c15 ^ seed
	}
	total := seed | 1
	for i := range rounds {
		rule := table[(total>>7^uint64(i))&63]
		if rule&3 == 0 {
			total -= total / 16
		} else {
			total += rule % 997
		}
	}
	return total
}

// sealDocument chains SHA-256 over a small document, one link a round.
func sealDocument(seed uint64, rounds int) uint64 {
	var doc [96]byte
	binary.LittleEndian.PutUint64(doc[:], seed)
	for range rounds {
		sum := sha256.Sum256(doc[:])
		copy(doc[8:], sum[:])
	}
	return binary.LittleEndian.Uint64(doc[8:])
}

// catalogue is what the re-index job reads: product descriptions.
const catalogue = "steel bolt washer hinge oak panel copper pipe valve rubber seal glass shelf lamp cable drum " +
	"paint brush ladder drill anchor screw bracket timber board tile grout sealant gasket bearing pulley chain "

// indexWords hashes the words of the catalogue into the slots of an index, one pass a round.
func indexWords(seed uint64, rounds int) uint64 {
	var slots [256]uint64
	for i := range rounds {
		hash := seed + uint64(i)
		for _, c := range []byte(catalogue) {
			if c == ' ' {
				slots[hash>>56]++
				hash = seed
			} else {
				hash = (hash ^ uint64(c)) * 0x100000001b3
			}
		}
	}
	return slots[seed&255] + slots[0]
}

// flushMetrics packs a histogram and sums it up, one histogram a round.
func flushMetrics(seed uint64, rounds int) uint64 {
	var packed [256]byte
	for i := range rounds {
		at := 0
		for v := seed + uint64(i); at < 240; v = v*6364136223846793005 + 1 {
			at += binary.PutUvarint(packed[at:], v>>40)
		}
		seed ^= uint64(crc32.ChecksumIEEE(packed[:at]))
	}
	return seed
}
