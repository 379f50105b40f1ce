package demo

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// skus is how many articles the warehouse has.
const skus = 2000

var stockBucket = []byte("stock")

// store is the stock of the warehouse in a bbolt file. bbolt has any number of readers and one
// writer at a time: a write transaction holds the lock from Begin to Commit.
type store struct {
	db  *bolt.DB
	dir string
}

// openStore makes a new file with a full warehouse in a folder of its own.
func openStore(seed uint64) (*store, error) {
	dir, err := os.MkdirTemp("", "mayfly-demo-")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	s := &store{dir: dir}
	s.db, err = bolt.Open(filepath.Join(dir, "stock.db"), 0o600, &bolt.Options{
		// The demo is about locks and CPU, not about the disk of the machine it runs on.
		NoSync: true, NoGrowSync: true, NoFreelistSync: true,
		InitialMmapSize: 8 << 20, Timeout: time.Second,
	})
	if err == nil {
		// Where an open file can be removed, nothing stays behind however the process ends.
		_ = os.RemoveAll(dir)
		err = s.fill(newRand(seed, 1))
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("demo: store: %w", err)
	}
	return s, nil
}

func (s *store) fill(rng *rand.Rand) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket(stockBucket)
		if err != nil {
			return err
		}
		b.FillPercent = 0.9
		for sku := range uint32(skus) {
			if err := b.Put(skuKey(sku), binary.LittleEndian.AppendUint64(nil, 1000+rng.Uint64N(1000))); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *store) close() {
	if s.db != nil {
		_ = s.db.Close()
	}
	_ = os.RemoveAll(s.dir)
}

func skuKey(sku uint32) []byte { return binary.BigEndian.AppendUint32(nil, sku%skus) }

// level returns how many pieces of sku are there.
func (s *store) level(sku uint32) (n uint64, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		n = decodeLevel(tx.Bucket(stockBucket).Get(skuKey(sku)))
		return nil
	})
	return n, err
}

// reserve takes quantity pieces of sku and orders more when few are left.
func (s *store) reserve(sku uint32, quantity uint64) (left uint64, err error) {
	err = s.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(stockBucket)
		left = decodeLevel(b.Get(skuKey(sku)))
		if left < quantity {
			left += 2000
		}
		left -= quantity
		return b.Put(skuKey(sku), binary.LittleEndian.AppendUint64(nil, left))
	})
	return left, err
}

// count has ask name the true level of each article of a shelf, and writes the answers. ask is
// called with the write transaction open. That is the mistake of this service.
func (s *store) count(shelf []uint32, ask func(sku uint32) (uint64, error)) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(stockBucket)
		for _, sku := range shelf {
			n, err := ask(sku)
			if err != nil {
				return err
			}
			if err := b.Put(skuKey(sku), binary.LittleEndian.AppendUint64(nil, n)); err != nil {
				return err
			}
		}
		return nil
	})
}

// total returns how many articles were ever stocked and how many are out of stock.
func (s *store) total() (articles, empty int, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(stockBucket).Cursor()
		for k, v := c.First(); k != nil && articles < 100; k, v = c.Next() {
			articles++
			if decodeLevel(v) == 0 {
				empty++
			}
		}
		return nil
	})
	return articles, empty, err
}

func decodeLevel(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}
