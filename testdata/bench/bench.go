// Package bench has benchmarks of each kind for the tests of `mayfly record -- go test`. Built with the
// tag slow, checksum takes three times as long and nothing else changes.
package bench

import "hash/crc32"

var table = crc32.MakeTable(crc32.Koopman) // no instruction of the CPU does it: it takes its time

// checksum is what one of the builds is slower in.
//
//go:noinline
func checksum(data []byte) (sum uint32) {
	for range rounds {
		sum += crc32.Update(0, table, data)
		for _, b := range data {
			sum = sum*31 + uint32(b)
		}
	}
	return sum
}

// mix is as fast in both builds.
//
//go:noinline
func mix(data []byte) (sum uint32) {
	for range 4 {
		for _, b := range data {
			sum = sum*33 ^ uint32(b)
		}
	}
	return sum
}
