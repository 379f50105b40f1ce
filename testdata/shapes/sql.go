package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/run"
)

// The statement takes 30 ms; there are three connections.
const (
	statement   = "select pg_sleep(0.03)"
	connections = 3
)

type orders struct{ db *sql.DB }

//go:noinline
func (o *orders) insert(ctx context.Context) error {
	_, err := o.db.ExecContext(ctx, statement)
	return err
}

func sqlPool(*env) http.HandlerFunc {
	db, err := sql.Open("pgx", *dsn)
	run.Check(err)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	o := &orders{db}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, o.insert(r.Context())) }
}

type bills struct{ pool *pgxpool.Pool }

//go:noinline
func (b *bills) insert(ctx context.Context) error {
	_, err := b.pool.Exec(ctx, statement)
	return err
}

func pgxPool(*env) http.HandlerFunc {
	config, err := pgxpool.ParseConfig(*dsn)
	run.Check(err)
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	run.Check(err)
	b := &bills{pool}
	return func(w http.ResponseWriter, r *http.Request) { reply(w, b.insert(r.Context())) }
}
