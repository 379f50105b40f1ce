package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// skus is how many articles the warehouse has.
const skus = 2000

// The statements. The embedded store knows them by their text.
const (
	selectLevel = `select level from stock where sku = $1`
	// The index of this warehouse is on a slow disk: 10 ms.
	takePiece = `update stock set level = level - 1 where sku = $1 and pg_sleep(0.010) is not null`
	// Nobody has indexed the trail: 400 ms.
	readTrail = `select count(*) from stock, (select pg_sleep(0.4)) as unindexed`
)

// store is the stock of the warehouse.
type store struct {
	db   *sql.DB
	kind string // "postgres" or "embedded"
}

// openStore opens the stock with at most conns connections.
func openStore(dsn string, conns int) (*store, error) {
	s := &store{kind: "postgres"}
	var err error
	if dsn == "" {
		s.kind = "embedded"
		s.db, err = sql.Open("bolt", "")
	} else {
		s.db, err = sql.Open("pgx", dsn)
	}
	if err != nil {
		return nil, err
	}
	s.db.SetMaxOpenConns(conns)
	s.db.SetMaxIdleConns(conns)
	return s, s.fill()
}

// fill stocks a warehouse of PostgreSQL; the embedded one comes full.
func (s *store) fill() error {
	if s.kind == "embedded" {
		return nil
	}
	_, err := s.db.Exec(fmt.Sprintf(`drop table if exists stock;
		create table stock (sku bigint primary key, level bigint not null) with (fillfactor = 50);
		insert into stock select n, 1000000 from generate_series(0, %d) n`, skus-1))
	return err
}

func (s *store) level(ctx context.Context, sku int64) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, selectLevel, sku).Scan(&n)
	return n, err
}

// reserve takes one piece of the first article and looks at the others, in one transaction.
func (s *store) reserve(ctx context.Context, skus []int64) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	slices.Sort(skus)
	for _, sku := range skus[1:] {
		var n int64
		if err := tx.QueryRowContext(ctx, selectLevel, sku).Scan(&n); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, takePiece, skus[0]); err != nil {
		return err
	}
	return tx.Commit()
}
