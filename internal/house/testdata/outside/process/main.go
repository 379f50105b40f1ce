// A program records another one, whose id is its argument, for five seconds.
package main

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
)

func main() {
	pid, _ := strconv.Atoi(os.Args[1])
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	rec, err := profiler.Record(ctx, pid, profiler.Options{Rate: profiler.DefaultRate})
	if err != nil {
		panic(err)
	}
	rec.Profile.Write(os.Stdout)
}
