// Command pgx asks a PostgreSQL (-dsn) through a pool of connections: queries that the server
// takes its time for, batches, and rows that are scanned, each kind under its label.
package main

import (
	"context"
	"flag"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mayfly-profiler/mayfly/testdata/foreign/run"
	"github.com/mayfly-profiler/mayfly/testdata/foreign/tally"
)

var dsn = flag.String("dsn", "", "PostgreSQL to ask")

func main() {
	t := tally.New()
	pool, err := pgxpool.New(context.Background(), *dsn+"?pool_max_conns=4")
	run.Check(err)
	slow := func(ctx context.Context) {
		_, err := pool.Exec(ctx, "select pg_sleep(0.004)")
		run.Check(err)
	}
	t.Set("main.main.func1", "query", "slow").Loop(3, time.Millisecond, slow)
	t.Set("main.rows", "query", "rows").Loop(2, 2*time.Millisecond, func(ctx context.Context) { rows(ctx, pool) })
	t.Set("main.batch", "query", "batch", "tenant", "acme").Loop(2, 2*time.Millisecond, func(ctx context.Context) { batch(ctx, pool) })
	t.Run()
}

func rows(ctx context.Context, pool *pgxpool.Pool) {
	rows, err := pool.Query(ctx, "select n, repeat('x', n % 50), now() from generate_series(1, 500) n")
	run.Check(err)
	type row struct {
		N    int
		Text string
		At   time.Time
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	run.Check(err)
	if len(all) != 500 {
		panic("rows are missing")
	}
}

func batch(ctx context.Context, pool *pgxpool.Pool) {
	var b pgx.Batch
	for i := range 20 {
		b.Queue("select $1::int + 1", i)
	}
	run.Check(pool.SendBatch(ctx, &b).Close())
}
