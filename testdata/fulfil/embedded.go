package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The embedded store stands in where there is no PostgreSQL: a database/sql driver over bbolt that
// knows the statements of store.go and nothing else. database/sql, its pool and its waits are the
// real ones.

func init() { sql.Register("bolt", &embedded{}) }

var stock = []byte("stock")

type embedded struct{ db *bolt.DB }

// Open returns a connection; database/sql calls it from one goroutine at a time at the start.
func (e *embedded) Open(string) (driver.Conn, error) {
	if e.db == nil {
		if err := e.fill(); err != nil {
			return nil, err
		}
	}
	return &conn{e.db}, nil
}

func (e *embedded) fill() error {
	dir, err := os.MkdirTemp("", "mayfly-fulfil-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // the open file stays
	db, err := bolt.Open(filepath.Join(dir, "stock.db"), 0o600, &bolt.Options{NoSync: true, NoGrowSync: true, InitialMmapSize: 8 << 20})
	if err != nil {
		return err
	}
	e.db = db
	return db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket(stock)
		for sku := int64(0); sku < skus && err == nil; sku++ {
			err = b.Put(key(sku), key(1_000_000))
		}
		return err
	})
}

func key(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

type conn struct{ db *bolt.DB }

func (c *conn) Prepare(query string) (driver.Stmt, error) { return &stmt{c.db, query}, nil }
func (c *conn) Begin() (driver.Tx, error)                 { return c, nil }
func (c *conn) Close() error                              { return nil }
func (c *conn) Commit() error                             { return nil }
func (c *conn) Rollback() error                           { return nil }

type stmt struct {
	db    *bolt.DB
	query string
}

func (s *stmt) Close() error  { return nil }
func (s *stmt) NumInput() int { return -1 }

func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return nil, errors.New("embedded: a context is needed")
}

func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return nil, errors.New("embedded: a context is needed")
}

func (s *stmt) ExecContext(_ context.Context, args []driver.NamedValue) (driver.Result, error) {
	if s.query != takePiece {
		return nil, fmt.Errorf("embedded: no statement %q", s.query)
	}
	time.Sleep(10 * time.Millisecond) // the slow disk
	return driver.RowsAffected(1), s.db.Update(func(tx *bolt.Tx) error {
		b, k := tx.Bucket(stock), key(args[0].Value.(int64))
		return b.Put(k, key(int64(binary.BigEndian.Uint64(b.Get(k)))-1))
	})
}

func (s *stmt) QueryContext(_ context.Context, args []driver.NamedValue) (driver.Rows, error) {
	r := &rows{}
	switch s.query {
	case selectLevel:
		return r, s.db.View(func(tx *bolt.Tx) error {
			r.n = int64(binary.BigEndian.Uint64(tx.Bucket(stock).Get(key(args[0].Value.(int64)))))
			return nil
		})
	case readTrail:
		return r, s.db.View(r.scan)
	}
	return nil, fmt.Errorf("embedded: no statement %q", s.query)
}

// scan counts all articles, for 400 ms of CPU: what an index would have saved.
func (r *rows) scan(tx *bolt.Tx) error {
	for range 200 {
		c := tx.Bucket(stock).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			sink.Add(uint64(len(v)))
			r.n++
		}
		burn(2 * time.Millisecond)
	}
	return nil
}

// rows is one row of one number.
type rows struct {
	n    int64
	done bool
}

func (r *rows) Columns() []string { return []string{"n"} }
func (r *rows) Close() error      { return nil }

func (r *rows) Next(dst []driver.Value) error {
	if r.done {
		return io.EOF
	}
	dst[0], r.done = r.n, true
	return nil
}
